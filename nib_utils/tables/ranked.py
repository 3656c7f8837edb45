"""Tables of means over pairs: with intervals, ranks, and the published numbers beside them where there are any."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from ..methods import CONTROLS
from .paired_tests import compare
from .ranks import bold, ranks
from .statistics import summary


def ranked(rows: pd.DataFrame, better: Mapping[str, str], by: str = "method", unit: str = "pair",
           controls: Collection[str] = ()) -> pd.DataFrame:
    """Per-pair `rows` of several methods -> a row per method, with how sure each number is.

    better: "lower" or "higher" for each metric; controls: names that are no contestants, as of `ranks`. Columns: n,
    units; `<metric>` and its 95 % bootstrap interval `_low`, `_high`; `_rank`, a range where paired tests of every
    two do not tell methods apart, in brackets for a control; `_best`, may it be set in bold?; and against the method
    of the best mean `_vs_best_p`, corrected for these tests alone, and `_margin`, as of `compare`, in the metric's
    units (1 and 0 for that method itself). As the data choose it, `_vs_best_p` says which may be the best, and not
    which are worse, as `_rank` does: those with 0.05 or more hold the true best in 95 % of tables.
    Raises ValueError for a NaN, or methods that were not measured on the same pairs.

    >>> tables.ranked(rows, {"corrected_image_drop": "lower"}, controls=nib.CONTROLS)
    """
    means = summary(rows, list(better), by)
    parts = [means.groupby(by, sort=False)["n"].first()]
    for metric, direction in better.items():
        one = means.xs(metric, level="metric")[["mean", "low", "high"]]
        one.columns = [metric, f"{metric}_low", f"{metric}_high"]
        if len(one) > 1:
            found = ranks(rows, metric, direction, by, unit, controls=controls)
            best = found.index[~found["control"]][0]
            beside = compare(rows, metric, by, unit, best, controls).set_index("a")
            beside.loc[best, ["p_holm", "margin"]] = 1, 0
            one = one.join(pd.DataFrame({
                f"{metric}_rank": found["rank"], f"{metric}_best": bold(found),
                f"{metric}_vs_best_p": beside["p_holm"], f"{metric}_margin": beside["margin"]}))
        parts.append(one)
    return pd.concat(parts, axis=1)


def plot_ranked(table: pd.DataFrame, better: Mapping[str, str], title: str, unit: str,
                paper: Mapping[str, str] | None = None):
    """Bars by method, a panel per metric, with 95 % intervals; green where significantly best.

    unit: what the bars are counted in; paper: for a metric, the column with the paper's own number, drawn as a mark.
    A method that was not run, of which there is no more than the paper's number, is left out.

    >>> better = {"corrected_image_drop": "lower"}
    >>> tables.plot_ranked(tables.ranked(rows, better), better, "a hundred pairs", "percent of a cosine")
    """
    import matplotlib.pyplot as plt

    table = table.dropna(subset=list(better), how="all")
    figure, axes = plt.subplots(1, len(better), figsize=(2.1 + 2.6 * len(better), 1.3 + 0.24 * len(table)),
                                sharey=True, squeeze=False, layout="constrained")
    axes[0, 0].set_ymargin(0.01)
    marks = []
    y = np.arange(len(table))
    for axis, (metric, direction) in zip(axes[0], better.items()):
        best = table.get(f"{metric}_best", pd.Series(False, table.index)).eq(True)  # a method not run has none
        ends = [table[metric] - table[f"{metric}_low"], table[f"{metric}_high"] - table[metric]]
        axis.barh(y, table[metric], color=np.where(best, "#35b779", "#31688e"), xerr=np.array(ends, float).clip(0),
                  error_kw={"elinewidth": 0.9, "ecolor": "#222222"})
        if paper and paper.get(metric) in table and table[paper[metric]].notna().any():
            marks = axis.plot(table[paper[metric]], y, "|", color="#d95f02", ms=10, mew=2.5)
        axis.set_title(f"{metric.replace('_', ' ')} {'↓' if direction == 'lower' else '↑'}", fontsize=9)
        axis.set_xlabel(unit, fontsize=8)
        axis.grid(axis="x", alpha=0.3)
        axis.tick_params(labelsize=8)
        axis.locator_params(axis="x", nbins=5)
    if marks:
        figure.legend(marks, ["the paper's number, of its model"], fontsize=8, loc="outside lower right")
    axes[0, 0].set_yticks(y, table.index)
    axes[0, 0].invert_yaxis()
    some = any(table.get(f"{metric}_best", pd.Series()).eq(True).any() for metric in better)
    green = "green: significantly best" if some else "none is significantly best"
    figure.suptitle(f"{title} (lines: 95 % intervals; {green})", fontsize=10)
    return figure


def plot_cost(tables: Mapping[str, pd.DataFrame], metrics: Sequence[str] = ("image_gain", "text_gain")):
    """What a method reaches against what it costs: a row of panels per table, a panel per metric, with 95 % intervals.

    tables: title -> table of `ranked` with a column forwards, what a pair costs, drawn on a logarithmic axis. Methods
    at which none cheaper is better are joined by a line, the others are named in grey; controls are left out.

    >>> tables.plot_cost({"mini on shapes": gain})
    """
    import matplotlib.pyplot as plt
    from adjustText import adjust_text

    figure, axes = plt.subplots(len(tables), len(metrics), figsize=(6.4 * len(metrics), 5.4 * len(tables)),
                                squeeze=False, layout="constrained")
    for row, (title, table) in zip(axes, tables.items()):
        table = table.drop(index=CONTROLS, errors="ignore").dropna(subset=["forwards"]).sort_values("forwards")
        for axis, metric in zip(row, metrics):
            ahead = table[metric] > table[metric].cummax().shift(fill_value=-np.inf)
            ends = [table[metric] - table[f"{metric}_low"], table[f"{metric}_high"] - table[metric]]
            axis.errorbar(table["forwards"], table[metric], np.array(ends).clip(0), fmt="none", ecolor="#bbbbbb")
            axis.plot(table["forwards"][ahead], table[metric][ahead], "o-", color="#35b779", ms=6, lw=1)
            axis.plot(table["forwards"][~ahead], table[metric][~ahead], "o", color="#31688e", ms=4)
            axis.set(xscale="log", title=f"{title}: {metric.replace('_', ' ')}", ylabel="cosine",
                     xlabel="cost of a pair, forwards of the image tower")
            axis.axhline(0, color="grey", lw=0.8)
            axis.grid(alpha=0.3)
            axis.margins(x=0.15, y=0.15)
            names = [axis.text(x, y, name, fontsize=8, color="#111111" if ahead[name] else "#666666")
                     for name, x, y in zip(table.index, table["forwards"], table[metric])]
            adjust_text(names, list(table["forwards"]), list(table[metric]), ax=axis, iter_lim=200,
                        arrowprops=dict(arrowstyle="-", color="#999999", lw=0.6))
    return figure
