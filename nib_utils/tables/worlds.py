"""Two worlds: do methods stand in the same order in both?"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from .metrics import LEAST, resampled

METRICS = ("precision", "image_gain", "text_gain", "shapley_image", "shapley_text")


def worlds(first: pd.DataFrame, second: pd.DataFrame, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """How alike two tables of methods, a row each, order them: a row per metric that both have.

    Columns spearman, the rank correlation over the methods of both, -1..1; low and high, its 95 % interval over
    resampled methods; methods, how many. A metric that fewer than four methods share has no numbers. Raises
    ValueError for a metric that a table lacks.

    >>> worlds(table.loc["mini-shapes"], table.loc["mini-hard-shapes-hard"])
    """
    rows, shared = [], [name for name in first if name in second]
    for metric in metrics:
        if metric not in shared:
            raise ValueError(f"a table lacks the column {metric!r}; both have {', '.join(shared)}.")
        both = pd.concat([first[metric], second[metric]], axis=1, join="inner").dropna().to_numpy(float)
        row = {"metric": metric, "methods": len(both)}
        if len(both) >= LEAST:
            a, b = both.T
            row |= {"spearman": scipy.stats.spearmanr(a, b).statistic} | dict(zip(("low", "high"), resampled(a, b)))
        rows.append(row)
    return pd.DataFrame(rows, columns=["metric", "spearman", "low", "high", "methods"])


def plot_worlds(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str], metrics: Sequence[str] = METRICS):
    """A panel per metric: the methods in their order in either world, best first, each with its value, and joined.

    >>> plot_worlds(table.loc["mini-shapes"], table.loc["mini-hard-shapes-hard"], ("mini", "mini-hard"))
    """
    import matplotlib.pyplot as plt

    order = worlds(first, second, metrics).set_index("metric")
    rows = -(-len(metrics) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(12, 5.4 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, metric in zip(axes.flat, metrics):
        both = pd.concat([first[metric], second[metric]], axis=1, join="inner").dropna()
        places = both.rank(ascending=False, method="first")  # 1 is best
        for (method, a, b), (left, right) in zip(both.itertuples(), places.to_numpy()):
            colour = plt.cm.viridis(0.9 * (left - 1) / len(both))
            axis.plot([0, 1], [left, right], "o-", color=colour, ms=4, lw=1.4)
            axis.text(-0.05, left, f"{method}  {a:.2f}", ha="right", va="center", fontsize=9)
            axis.text(1.05, right, f"{b:.2f}  {method}", ha="left", va="center", fontsize=9)
        for x, side, name in ((-0.05, "right", names[0]), (1.05, "left", names[1])):
            axis.text(x, -0.4, name, ha=side, va="center", fontsize=9, weight="bold")
        r = order.loc[metric, "spearman"]
        axis.set_title(metric.replace("_", " ") + ("" if np.isnan(r) else f", rank correlation {r:.2f}"))
        axis.set(xlim=(-1.1, 2.1), ylim=(len(both) + 0.6, -1))
    return figure
