"""How sure are the means of a table, and which of its methods really differ?"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from numbers import Real

import numpy as np
import pandas as pd
import scipy

from ..common.checks import brief, check_choice, check_whole, in_order

DRAWS = 20_000  # random signs of a paired test: the least p is 1 / 20001, small enough for hundreds of comparisons
CHUNK = 4_000_000  # random signs in work at a time
BATCH = 400_000  # resampled values in work at a time: what a cache holds


def interval(values, level: float = 0.95, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval (low, high) of the mean of `values` (n,), in their units.

    Raises ValueError for values that are empty, NaN or infinite. Source: Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993.

    >>> nib.interval(rows["image_drop"])
    (9.1, 12.3)
    """
    try:
        values = np.asarray(values, float)
    except (TypeError, ValueError):
        raise TypeError(f"values are {brief(values)}; pass numbers.") from None
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values have shape {values.shape}; pass at least one, along one axis.")
    low, high = intervals(values[:, None], level, draws, seed)
    return float(low[0]), float(high[0])


def summary(rows: pd.DataFrame, metrics: str | Sequence[str], by: str = "method") -> pd.DataFrame:
    """The mean of each metric for each method, with its 95 % bootstrap interval.

    rows: a row per pair and method, as of `evaluate`. Returns columns mean, low, high, n, indexed by
    (method, metric). Raises ValueError for a missing column or a NaN.

    >>> nib.summary(rows, ["corrected_image_drop"]).loc["nib"]
    """
    metrics = [metrics] if isinstance(metrics, str) else in_order("metrics", metrics, "names of columns")
    if not metrics:
        raise ValueError("no metrics are asked for; pass the name of at least one column.")
    need_measures(rows, by, *metrics)
    found = {}
    for name, group in rows.groupby(by, sort=False):
        values = group[metrics].to_numpy(float)  # (n, metrics)
        finite(values, [f"{metric} of {name}" for metric in metrics])
        for metric, mean, low, high in zip(metrics, values.mean(0), *intervals(values)):
            found[name, metric] = {"mean": mean, "low": low, "high": high, "n": len(values)}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis([by, "metric"])


def compare(rows: pd.DataFrame, metric: str, by: str = "method", unit: str = "pair",
            reference: str | None = None) -> pd.DataFrame:
    """Do two methods differ on the same units? A paired test of every two, corrected for their number.

    rows: exactly one row for each method and unit. reference: a method, to compare the others with it alone.
    Returns a row per comparison: a, b, difference (mean of a minus b, in the metric's units), low, high
    (its 95 % bootstrap interval), p, p_holm (Holm's correction over the rows returned) and n, units.

    The test is a sign-flip permutation test: its statistic is the difference of means that the table
    shows, and it needs no shape of distribution and copes with the many zeros of a Drop, where a
    signed-rank test would drop them and speak of ranks. Up to 14 units every sign is tried, beyond it
    20000 random ones. Raises ValueError for units that are not paired, a missing column or a NaN.
    Sources: Fisher, The Design of Experiments, 1935; Holm, Scandinavian Journal of Statistics, 1979.

    >>> nib.compare(rows, "corrected_image_drop", reference="random")
    """
    table = paired(rows, metric, by, unit)
    if reference is not None:
        check_choice("reference", reference, tuple(table.columns))
    couples = [(a, b) for a, b in combinations(table.columns, 2)] if reference is None else \
              [(a, reference) for a in table.columns if a != reference]
    if not couples:
        raise ValueError(f"{by} has the one value {table.columns[0]!r}; pass rows of at least two to compare.")
    difference = np.stack([(table[a] - table[b]).to_numpy() for a, b in couples], 1)  # (units, comparisons)
    low, high = intervals(difference)
    p = sign_flip(difference)
    return pd.DataFrame(couples, columns=["a", "b"]).assign(
        difference=difference.mean(0), low=low, high=high, p=p, p_holm=holm(p), n=len(table))


def ranks(rows: pd.DataFrame, metric: str, better: str = "lower", by: str = "method", unit: str = "pair",
          level: float = 0.05) -> pd.DataFrame:
    """The ranks that each method may have: 1 + how many are significantly better, to N - how many are worse.

    better: "lower" or "higher" values of the metric; level: of p_holm, below which two methods differ.
    Methods that nothing tells apart share a range. Returns columns mean, first, last and rank ("1" or
    "1-2"), indexed by method, the best mean first. Raises as `compare`. Source: the ranges are those of
    Mogstad, Romano, Shaikh and Wilhelm, Inference for Ranks, Review of Economic Studies, 2024, read off
    these paired tests.

    >>> nib.ranks(rows, "corrected_image_drop")["rank"]
    """
    check_choice("better", better, ("lower", "higher"))
    sign = 1 if better == "lower" else -1
    table, tests = paired(rows, metric, by, unit), compare(rows, metric, by, unit)
    wins, losses = (pd.Series(0, table.columns) for _ in range(2))
    for test in tests[tests.p_holm < level].itertuples():
        winner, loser = (test.a, test.b) if sign * test.difference < 0 else (test.b, test.a)
        wins[winner] += 1
        losses[loser] += 1
    found = pd.DataFrame({"mean": table.mean(), "first": 1 + losses, "last": len(wins) - wins}).rename_axis(by)
    found["rank"] = [str(a) if a == b else f"{a}-{b}" for a, b in zip(found["first"], found["last"])]
    return found.iloc[np.argsort(sign * found["mean"].to_numpy(), kind="stable")]


def bold(found: pd.DataFrame) -> pd.Series:
    """Which methods a table of `ranks` may set in bold: those, tied among themselves, that beat every other.

    Returns a bool Series by method. No method is bold where all are tied, or where the best one is tied with a
    method that does not beat all that the best one beats.

    >>> nib.bold(nib.ranks(rows, "corrected_image_drop"))
    """
    need_measures(found, "first", "last")
    last = found["last"].min()
    best = (found["first"] == 1) & (found["last"] == last)
    return (best & (best.sum() == last) & (last < len(found))).rename("bold")


def paired(rows: pd.DataFrame, metric: str, by: str, unit: str) -> pd.DataFrame:
    """The metric as a table (units, methods), methods in the order of the rows."""
    need_measures(rows, by, unit, metric)
    twice = rows.duplicated([by, unit])
    if twice.any():
        row = rows[twice].iloc[0]
        raise ValueError(f"{by} {row[by]!r} has several rows of {unit} {row[unit]!r}; average them first.")
    table = rows.pivot(index=unit, columns=by, values=metric)[rows[by].unique()].astype(float)
    counts = rows.groupby(by).size()
    if counts.min() < len(table):
        name = counts.idxmin()
        lacking = next(u for u in table.index if u not in set(rows.loc[rows[by] == name, unit]))
        raise ValueError(f"{by} {name!r} has no row of {unit} {lacking!r}, which others have; compare all on the same.")
    finite(table.to_numpy(), [f"{metric} of {name}" for name in table])
    return table


def need_measures(rows: pd.DataFrame, *names: str) -> None:
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise TypeError(f"the column {brief(odd[0])} is asked for; pass the name of one, as \"drop\".")
    missing = [name for name in names if name not in getattr(rows, "columns", ())]
    if missing or not len(rows):
        lacking = f"the rows lack the column {missing[0]!r}" if missing else "there are no rows"
        raise ValueError(f"{lacking}; pass those of evaluate for several methods, as pd.concat({{method: rows}}, "
                         "names=['method', 'pair']).reset_index() makes them.")


def finite(values: np.ndarray, names: Sequence[str] = ("the values",)) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"row {bad[0][0]} of {names[bad[0][1] if len(names) > 1 else 0]} is "
                         f"{values[tuple(bad[0])]}; leave such rows out, or find out why.")


def intervals(values: np.ndarray, level: float = 0.95, draws: int = 2000,
              seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap intervals (M,), (M,) of the means of columns (n, M), all from the same resampled rows."""
    finite(values)
    check_whole("draws", draws, 1)
    if not isinstance(level, Real) or not 0 < level < 1:
        raise ValueError(f"level is {brief(level)}; pass a number between 0 and 1.")
    if len(values) == 1:  # every resample is that row, of which scipy makes no interval
        return values[0].copy(), values[0].copy()
    found = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=draws, batch=max(1, BATCH // values.size), vectorized=True,
        confidence_level=level, method="percentile", rng=np.random.default_rng(seed)).confidence_interval
    return found.low, found.high


def sign_flip(values: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Two-sided p (M,) that columns (n, M) of differences have mean zero, if either sign was as likely."""
    n, rng = len(values), np.random.default_rng(seed)
    observed = np.abs(values.sum(0)) - 1e-9 * np.abs(values).sum(0)  # equal sums may differ in their last digits
    exact, reached = 2**n <= draws, np.zeros(values.shape[1])
    if exact:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)  # (2^n, n)
        return (np.abs(signs @ values) >= observed).mean(0)
    for size in chunks(draws, n):
        signs = 1.0 - 2 * rng.integers(2, size=(size, n), dtype=np.int8)
        reached += (np.abs(signs @ values) >= observed).sum(0)
    return (1 + reached) / (1 + draws)  # what was observed is one of the flips


def chunks(draws: int, n: int) -> list[int]:
    """`draws` rows of n random numbers, as many at a time as CHUNK allows."""
    size = max(1, CHUNK // n)
    return [min(size, draws - first) for first in range(0, draws, size)]


def holm(p) -> np.ndarray:
    """Holm's adjusted p: the k-th smallest of m times m - k + 1, never below the one before, at most 1.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    array([0.03, 0.06, 0.06, 0.02])
    """
    p = np.asarray(p, float)
    order = p.argsort(kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted[order.argsort(kind="stable")]
