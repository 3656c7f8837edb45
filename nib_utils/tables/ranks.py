"""Ranks of methods, as far as paired tests tell them apart."""
from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from ..common.checks import check_choice
from .paired_tests import paired, set_apart, tests
from .statistics import need_measures


def ranks(rows: pd.DataFrame, metric: str, better: str = "lower", by: str = "method", unit: str = "pair",
          level: float = 0.05, controls: Collection[str] = ()) -> pd.DataFrame:
    """The ranks that each method may have: 1 + how many are significantly better, to N - how many are worse.

    better: "lower" or "higher" values of the metric; level: of p_holm, below which two methods differ; controls:
    names that are no contestants: they count in no method's rank or correction, and have in brackets the rank that
    each would have beside the N methods alone. Methods that nothing tells apart share a range. Returns columns mean,
    first, last, rank ("1", "1-2", "(3)" or "(3-5)") and control, indexed by method, the best mean first. Raises as
    `compare`. Source: the ranges are those of Mogstad, Romano, Shaikh and Wilhelm, Inference for Ranks, Review of
    Economic Studies, 2024, read off the tests of `compare`.

    >>> nib.ranks(rows, "corrected_image_drop", controls=nib.CONTROLS)["rank"]
    """
    check_choice("better", better, ("lower", "higher"))
    sign = 1 if better == "lower" else -1
    table = paired(rows, metric, by, unit)
    apart = set_apart(table.columns, controls)
    couples, difference, _, p = tests(table, apart)
    if not couples:
        raise ValueError(f"{by} has the one value {table.columns[0]!r}; pass rows of at least two to compare.")
    found = pd.DataFrame({"mean": table.mean(), "control": table.columns.isin(apart)}).rename_axis(by)
    wins, losses = (pd.Series(0, table.columns) for _ in range(2))
    for (a, b), ahead in [(c, d < 0) for c, d, sure in zip(couples, sign * difference.mean(0), p < level) if sure]:
        (wins if ahead else losses)[a] += 1
        if a not in apart:  # a control counts for nobody but itself
            (losses if ahead else wins)[b] += 1
    found["first"], found["last"] = 1 + losses, len(table.columns) - len(apart) + found["control"] - wins
    found["rank"] = [str(a) if a == b else f"{a}-{b}" for a, b in zip(found["first"], found["last"])]
    found["rank"] = found["rank"].where(~found["control"], "(" + found["rank"] + ")")
    order = np.argsort(sign * found["mean"].to_numpy(), kind="stable")
    return found[["mean", "first", "last", "rank", "control"]].iloc[order]


def bold(found: pd.DataFrame) -> pd.Series:
    """Which methods a table of `ranks` may set in bold: those, tied among themselves, that beat every other.

    Returns a bool Series by method. No method is bold where all are tied, or where the best one is tied with a
    method that does not beat all that the best one beats; controls never are.

    >>> nib.bold(nib.ranks(rows, "corrected_image_drop"))
    """
    need_measures(found, "first", "last", "control")
    methods = found[~found["control"].astype(bool)]
    last = methods["last"].min()
    best = (methods["first"] == 1) & (methods["last"] == last)
    return (best & (best.sum() == last) & (last < len(methods))).reindex(found.index, fill_value=False).rename("bold")
