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
    """A panel per metric: each method's value in one world against that in the other, and the line of equal values.

    >>> plot_worlds(table.loc["mini-shapes"], table.loc["mini-hard-shapes-hard"], ("mini", "mini-hard"))
    """
    import matplotlib.pyplot as plt

    order = worlds(first, second, metrics).set_index("metric")
    rows = -(-len(metrics) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(12, 5.4 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat[len(metrics):]:
        axis.axis("off")
    for axis, metric in zip(axes.flat, metrics):
        both = pd.concat([first[metric], second[metric]], axis=1, join="inner", keys=names).dropna()
        axis.plot(both[names[0]], both[names[1]], "o", color="#31688e", ms=5)
        for method, x, y in both.itertuples():
            axis.annotate(method, (x, y), (4, 3), textcoords="offset points", fontsize=8, color="#444444")
        axis.axline((0, 0), slope=1, color="grey", lw=0.8, ls=":")
        r = order.loc[metric, "spearman"]
        title = metric.replace("_", " ") + ("" if np.isnan(r) else f", rank correlation {r:.2f}")
        axis.set(title=title, xlabel=names[0], ylabel=names[1])
        axis.margins(x=0.2)
        axis.grid(alpha=0.3)
    return figure
