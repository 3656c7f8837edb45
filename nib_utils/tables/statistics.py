"""How sure are the means of a table?"""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas as pd
import scipy

from ..common.checks import brief, check_whole, one_or_several

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
    metrics = one_or_several("metrics", metrics, "names of columns")
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
