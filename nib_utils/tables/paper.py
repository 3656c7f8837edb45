"""The numbers that the NIB paper reports, and what follows from them."""
from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.files import data_file
from .ranked import ranked


def published_costs() -> pd.DataFrame:
    """What the published code costs at ViT-B/32, two CPU cores: method, batch, published (library forwards)."""
    return pd.read_csv(data_file("published_costs.csv"))

METRICS = ["image_drop", "image_increase", "text_drop", "text_increase"]
BETTER = {f"{protocol}_{metric}": "lower" if "drop" in metric else "higher"
          for protocol in ("published", "corrected") for metric in METRICS}
GAIN = {"image_gain": "higher", "text_gain": "higher"}  # what we recommend beside them
DATASETS = ("cc", "imagenet", "flickr8k")  # of the NIB paper


def published_table(dataset: str) -> pd.DataFrame:
    """The NIB paper's table for "cc", "imagenet" or "flickr8k", indexed by method; no rows for another dataset."""
    table = pd.read_csv(data_file("published_main_table.csv"))
    return table[table["dataset"] == dataset].drop(columns="dataset").set_index("method")


def main_table(rows: pd.DataFrame, dataset: str, single: Mapping[str, float],
               controls: Collection[str] = ()) -> pd.DataFrame:
    """Per-pair `rows` (of `evaluate`, with columns method and pair) -> a row per method.

    Columns: those of `ranked` for image_gain and text_gain where they were measured, and `<protocol>_<metric>`, in
    percent, `controls` set apart; fps (pairs per second in
    batches) and fps_single (one pair at a time, from `single`); `paper_<metric>` and paper_fps where the paper
    reports this dataset, for methods that it has and we have not run, too.

    >>> rows = pd.concat({m: nib.evaluate(clip, pairs, m) for m in ("nib", "random")}, names=["method", "pair"])
    >>> tables.main_table(rows.reset_index(), "shapes", {})
    """
    gain = {name: way for name, way in GAIN.items() if name in rows}
    table = ranked(rows, gain | BETTER, controls=controls)
    table["fps"] = 1 / rows.groupby("method")["explain_seconds"].mean()
    table["fps_single"] = pd.Series(single)
    paper = published_table(dataset).add_prefix("paper_")
    return table.join(paper, how="outer", sort=False) if len(paper) else table


def beside_published(root: str | Path, model: str, running: Mapping[str, Path] | None = None) -> pd.DataFrame:
    """Every number of the paper's main table, and ours where `main_table` has been run on that dataset.

    root: the folder of main_table's results; model: whose; running: {dataset: folder} of a run that has no record
    yet. Of several runs on a dataset the one with the most pairs counts. Columns dataset, method, metric, paper,
    measured (published protocol, or pairs per second one at a time), NaN where there is nothing to set beside it.

    >>> tables.beside_published("results/main_table", "ViT-B/32").dropna()
    """
    frames, folders = [], largest_runs(Path(root), model) | dict(running or {})
    for dataset in DATASETS:
        paper = published_table(dataset)
        long = paper.rename_axis("method").reset_index().melt("method", var_name="metric", value_name="paper")
        ours = {}
        for name, columns in (("main_table", {f"published_{m}": m for m in METRICS}), ("speed", {"fps_single": "fps"})):
            file = folders[dataset] / f"{name}.csv" if dataset in folders else None
            if file and file.exists():
                found = pd.read_csv(file, index_col=0).rename(columns=columns)
                ours |= {(m, c): found.loc[m, c] for m in found.index for c in columns.values()}
        long["measured"] = [ours.get(key, np.nan) for key in zip(long["method"], long["metric"])]
        frames.append(long.assign(dataset=dataset))
    return pd.concat(frames, ignore_index=True)[["dataset", "method", "metric", "paper", "measured"]]


def largest_runs(root: Path, model: str) -> dict[str, Path]:
    """The folder of each data set's run of most pairs with this model, by the records that lie under `root`."""
    found = [(json.loads(file.read_text(encoding="utf-8")), file.parent) for file in sorted(root.glob("*/*.json"))]
    same = [(record, folder) for record, folder in found if record.get("parameters", {}).get("model") == model]
    return {record["parameters"].get("dataset"): folder for record, folder in sorted(
        same, key=lambda run: run[0].get("pairs", 0))}


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
