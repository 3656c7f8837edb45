"""The main table: means over pairs, with the published numbers beside them where there are any."""
from __future__ import annotations

import pandas as pd

from .files import data_file
from .methods import METHODS

METRICS = ["image_drop", "image_increase", "text_drop", "text_increase"]
LABELS = {"image_drop": "image Drop ↓", "image_increase": "image Increase ↑",
          "text_drop": "text Drop ↓", "text_increase": "text Increase ↑"}


def published_table(dataset: str) -> pd.DataFrame:
    """The NIB paper's table for "cc", "imagenet" or "flickr8k", indexed by method; no rows for another dataset."""
    table = pd.read_csv(data_file("published_main_table.csv"))
    return table[table["dataset"] == dataset].drop(columns="dataset").set_index("method")


def main_table(rows: pd.DataFrame, dataset: str, single: dict[str, float]) -> pd.DataFrame:
    """Per-pair `rows` (of `evaluate`, with a column method) -> a row per method.

    Columns: pairs; `<protocol>_<metric>` means in percent and `..._se` their standard errors over pairs; fps
    (pairs per second in batches) and fps_single (one pair at a time, from `single`); `paper_<metric>`
    and paper_fps where the paper reports this dataset, for methods that it has and we have not run, too.
    """
    groups = rows.groupby("method", sort=False)
    columns = [f"{protocol}_{metric}" for protocol in ("published", "corrected") for metric in METRICS]
    table = pd.concat([groups.size().rename("pairs"), groups[columns].mean(),
                       groups[columns].sem().add_suffix("_se")], axis=1)
    table["fps"] = 1 / groups["explain_seconds"].mean()
    table["fps_single"] = pd.Series(single)
    paper = published_table(dataset).add_prefix("paper_")
    return table.join(paper, how="outer", sort=False) if len(paper) else table


def plot_main(table: pd.DataFrame, title: str):
    """Bars of the four metrics by method, one panel each, both protocols side by side, the paper's value as a line."""
    import matplotlib.pyplot as plt
    import numpy as np

    figure, axes = plt.subplots(1, 4, figsize=(12, 0.9 + 0.42 * len(table)), sharey=True, layout="constrained")
    y = np.arange(len(table))
    for axis, metric in zip(axes, METRICS):
        for shift, protocol, colour in ((-0.2, "published", "#440154"), (0.2, "corrected", "#35b779")):
            name = f"{protocol}_{metric}"
            axis.barh(y + shift, table[name], 0.38, xerr=table[f"{name}_se"], color=colour,
                      label=f"{protocol} protocol", error_kw={"elinewidth": 0.8})
        if f"paper_{metric}" in table:
            axis.plot(table[f"paper_{metric}"], y, "|", color="#d95f02", ms=14, mew=2, label="the paper's number")
        axis.set_title(LABELS[metric], fontsize=11)
        axis.set_xlabel("percent of a cosine" if metric.endswith("drop") else "percent of pairs", fontsize=9)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(y, table.index)
    axes[0].invert_yaxis()
    figure.suptitle(title, fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
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
