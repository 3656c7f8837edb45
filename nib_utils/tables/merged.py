"""The means of a run in parts, however it was cut: exact sums, and no more than one part in memory."""
from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ..common.checks import brief, check_share
from ..measures.parts import BASE, Parts

OWN = ("stream", "seed", "chunk")  # in which runs that are added up may differ


def merged(*folders: str | Path, level: float = 0.95) -> pd.DataFrame:
    """The mean of each measure over all parts of `evaluate_stream`'s folders, with its interval.

    Returns columns mean, low, high, n, indexed by metric; a pair that was refused counts nowhere. The sums are exact
    (Shewchuk, 1997), so that neither the cuts nor the order of the parts change a bit. The interval is Student's: at
    thousands of pairs the bootstrap of `summary` comes to the same, but would hold all of them in memory.
    Raises ValueError for a folder without parts, one that was changed, runs of other work (another method, another
    model), and pairs that are in two of them.

    >>> nib.merged("out").loc["corrected_image_drop"]
    """
    check_share("level", level)
    runs = [Parts(folder) for folder in folders]
    for run in runs:
        if not run.files():
            raise ValueError(f"there are no measured pairs in '{run.folder}'; name the folder of evaluate_stream.")
    check_apart(runs)
    n, first, second = defaultdict(int), defaultdict(list), defaultdict(list)
    for run in runs:
        for rows in run.read():
            for metric in rows.columns.drop(list(BASE)):
                values = rows[metric].dropna().to_numpy(float)
                n[metric] += len(values)
                first[metric], second[metric] = add(first[metric], values), add(second[metric], values**2)
    if not any(n.values()):
        raise ValueError(f"there are no measured pairs in {', '.join(map(repr, map(str, folders))) or 'no folder'}; "
                         "name the folder of evaluate_stream.")
    found = {}
    for metric, count in n.items():
        if not count:
            found[metric] = dict.fromkeys(("mean", "low", "high"), math.nan) | {"n": 0}
            continue
        mean = math.fsum(first[metric]) / count
        left = max(0.0, math.fsum(second[metric]) - count * mean**2)
        wide = stats.t.ppf((1 + level) / 2, count - 1) * math.sqrt(left / (count - 1) / count) if count > 1 else 0.0
        found[metric] = {"mean": mean, "low": mean - wide, "high": mean + wide, "n": count}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("metric")


def check_apart(runs: list[Parts]) -> None:
    """Refuse runs of different work, and those that have pairs in common."""
    known = [(run.folder, *run.manifest()) for run in runs]
    for i, (folder, work, pairs) in enumerate(known):
        for other, its_work, its_pairs in known[:i]:
            if folder.resolve() == other.resolve():
                raise ValueError(f"'{folder}' is named twice; count every pair once.")
            if pairs & its_pairs:
                raise ValueError(f"'{folder}' and '{other}' both hold {min(pairs & its_pairs)}; count every pair once.")
            odd = [name for name in {**its_work, **work} if name not in OWN and its_work.get(name) != work.get(name)]
            if odd:
                here, there = brief(work.get(odd[0])), brief(its_work.get(odd[0]))
                raise ValueError(f"'{folder}' and '{other}' are of different work: {odd[0]} is {here} and {there}; "
                                 "merge them apart.")


def add(terms: list[float], values: np.ndarray) -> list[float]:
    """A few numbers whose sum is that of the terms and the values, exactly.

    >>> add([1e16], np.array([1.0]))
    [1e+16, 1.0]
    """
    rest, found = [*terms, *values.tolist()], []
    while total := math.fsum(rest):
        found.append(total)
        rest.append(-total)
    return found
