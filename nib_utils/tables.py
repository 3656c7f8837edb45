"""Tables of means over pairs: with intervals, ranks, and the published numbers beside them where there are any."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from .files import data_file
from .methods import METHODS
from .results import slug
from .statistics import bold, ranks, summary

METRICS = ["image_drop", "image_increase", "text_drop", "text_increase"]
BETTER = {f"{protocol}_{metric}": "lower" if "drop" in metric else "higher"
          for protocol in ("published", "corrected") for metric in METRICS}
DATASETS = ("cc", "imagenet", "flickr8k")  # of the NIB paper


def published_table(dataset: str) -> pd.DataFrame:
    """The NIB paper's table for "cc", "imagenet" or "flickr8k", indexed by method; no rows for another dataset."""
    table = pd.read_csv(data_file("published_main_table.csv"))
    return table[table["dataset"] == dataset].drop(columns="dataset").set_index("method")


def ranked(rows: pd.DataFrame, better: Mapping[str, str], by: str = "method", unit: str = "pair") -> pd.DataFrame:
    """Per-pair `rows` of several methods -> a row per method, with how sure each number is.

    better: "lower" or "higher" for each metric. Columns `<metric>`, its 95 % bootstrap interval `_low`, `_high`,
    `_rank` (a range where a paired test does not tell methods apart) and `_best` (may it be set in bold?).
    Raises ValueError for a NaN, or methods that were not measured on the same pairs.

    >>> tables.ranked(rows, {"corrected_image_drop": "lower"})
    """
    means, parts = summary(rows, list(better), by), []
    for metric, direction in better.items():
        one = means.xs(metric, level="metric")[["mean", "low", "high"]]
        one.columns = [metric, f"{metric}_low", f"{metric}_high"]
        if len(one) > 1:
            found = ranks(rows, metric, direction, by, unit)
            one = one.join(found["rank"].rename(f"{metric}_rank")).join(bold(found).rename(f"{metric}_best"))
        parts.append(one)
    return pd.concat(parts, axis=1)


def main_table(rows: pd.DataFrame, dataset: str, single: Mapping[str, float]) -> pd.DataFrame:
    """Per-pair `rows` (of `evaluate`, with columns method and pair) -> a row per method.

    Columns: pairs; those of `ranked` for `<protocol>_<metric>`, in percent; fps (pairs per second in batches)
    and fps_single (one pair at a time, from `single`); `paper_<metric>` and paper_fps where the paper reports
    this dataset, for methods that it has and we have not run, too.

    >>> rows = pd.concat({m: nib.evaluate(clip, pairs, m) for m in ("nib", "random")}, names=["method", "pair"])
    >>> tables.main_table(rows.reset_index(), "shapes", {})
    """
    groups = rows.groupby("method", sort=False)
    table = pd.concat([groups.size().rename("pairs"), ranked(rows, BETTER)], axis=1)
    table["fps"] = 1 / groups["explain_seconds"].mean()
    table["fps_single"] = pd.Series(single)
    paper = published_table(dataset).add_prefix("paper_")
    return table.join(paper, how="outer", sort=False) if len(paper) else table


def beside_published(root: str | Path, model: str) -> pd.DataFrame:
    """Every number of the paper's main table, and ours where `main_table` has been run on that dataset.

    root: the folder of main_table's results; model: whose. Columns dataset, method, metric, paper, measured
    (published protocol, or pairs per second one at a time), NaN where there is nothing to set beside it.

    >>> tables.beside_published("results/main_table", "ViT-B/32").dropna()
    """
    frames = []
    for dataset in DATASETS:
        paper = published_table(dataset)
        long = paper.rename_axis("method").reset_index().melt("method", var_name="metric", value_name="paper")
        ours = {}
        for name, columns in (("main_table", {f"published_{m}": m for m in METRICS}), ("speed", {"fps_single": "fps"})):
            file = Path(root) / f"{slug(model)}-{dataset}" / f"{name}.csv"
            if file.exists():
                found = pd.read_csv(file, index_col=0).rename(columns=columns)
                ours |= {(m, c): found.loc[m, c] for m in found.index for c in columns.values()}
        long["measured"] = [ours.get(key, np.nan) for key in zip(long["method"], long["metric"])]
        frames.append(long.assign(dataset=dataset))
    return pd.concat(frames, ignore_index=True)[["dataset", "method", "metric", "paper", "measured"]]


def headlines() -> pd.DataFrame:
    """The paper's three headline figures, recomputed from its own table by the formula that yields them.

    Each is a gain of NIB over M2IB: `1 - smaller / larger` of the two means of a metric, averaged over the three
    data sets and over the metrics named. That is a share of the larger value; `over_m2ib` is what is commonly
    called an improvement, relative to M2IB's own value. Columns paper_says, recomputed, over_m2ib, in percent.

    >>> tables.headlines().loc["text interpretability", "recomputed"].round(2)
    58.83
    """
    table = pd.concat({d: published_table(d) for d in DATASETS})
    nib, m2ib = (table.xs(name, level="method") for name in ("nib", "m2ib"))
    rows = {}
    for name, says, metrics in (("image interpretability", 9.0, METRICS[:2]),
                                ("text interpretability", 58.83, METRICS[2:]), ("processing speed", 63.95, ["fps"])):
        gains, relative = [], []
        for metric in metrics:
            lower = "drop" in metric
            best, worst = (m2ib[metric], nib[metric]) if lower else (nib[metric], m2ib[metric])
            gains.append(1 - worst / best)
            relative.append((m2ib[metric] - nib[metric]) / m2ib[metric] * (1 if lower else -1))
        rows[name] = {"paper_says": says, "recomputed": 100 * np.mean(gains), "over_m2ib": 100 * np.mean(relative)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("figure")


def plot_ranked(table: pd.DataFrame, better: Mapping[str, str], title: str, unit: str,
                paper: Mapping[str, str] | None = None):
    """Bars by method, a panel per metric, with 95 % intervals; green where significantly best.

    unit: what the bars are counted in; paper: for a metric, the column with the paper's own number, drawn as a mark.

    >>> better = {"corrected_image_drop": "lower"}
    >>> tables.plot_ranked(tables.ranked(rows, better), better, "a hundred pairs", "percent of a cosine")
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(better), figsize=(2.1 + 2.6 * len(better), 1.1 + 0.24 * len(table)),
                                sharey=True, squeeze=False, layout="constrained")
    axes[0, 0].set_ymargin(0.01)
    y = np.arange(len(table))
    for axis, (metric, direction) in zip(axes[0], better.items()):
        best = table.get(f"{metric}_best", pd.Series(False, table.index)).eq(True)  # a method not run has none
        ends = [table[metric] - table[f"{metric}_low"], table[f"{metric}_high"] - table[metric]]
        axis.barh(y, table[metric], color=np.where(best, "#35b779", "#31688e"), xerr=np.array(ends, float).clip(0),
                  error_kw={"elinewidth": 0.9, "ecolor": "#222222"})
        if paper and paper.get(metric) in table:
            axis.plot(table[paper[metric]], y, "|", color="#d95f02", ms=10, mew=2.5, label="the paper's number")
            axis.legend(fontsize=7, loc="lower right")
        axis.set_title(f"{metric.replace('_', ' ')} {'↓' if direction == 'lower' else '↑'}", fontsize=9)
        axis.set_xlabel(unit, fontsize=8)
        axis.grid(axis="x", alpha=0.3)
        axis.tick_params(labelsize=8)
    axes[0, 0].set_yticks(y, table.index)
    axes[0, 0].invert_yaxis()
    some = any(table.get(f"{metric}_best", pd.Series()).eq(True).any() for metric in better)
    green = "green: significantly best" if some else "none is significantly best"
    figure.suptitle(f"{title} (lines: 95 % intervals; {green})", fontsize=10)
    return figure


def methods_table() -> pd.DataFrame:
    """What every method declares of itself: a row per name in METHODS, in words.

    >>> print(markdown(methods_table()))
    """
    yes = lambda about, field: "yes" if getattr(about, field) else ""
    return pd.DataFrame([{
        "method": f"`{name}`", "what": f.about.title, "source": f.about.source, "group": f.about.group,
        "gradients": yes(f.about, "gradients"), "attention": yes(f.about, "attention"), "seed": yes(f.about, "noise"),
        "signed": yes(f.about, "signed"), "forwards": f"{f.about.forwards:g}"} for name, f in METHODS.items()])


def markdown(table: pd.DataFrame) -> str:
    """A table as GitHub shows it."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
