"""A table of metrics: which of them puts the methods in the order that the reference gives?"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scipy

from ..common.checks import need_columns

SOURCES = [  # kind, metric, notebook, its table, the table's column, which way is better
    ("image", "published Drop", "main_table", "main_table", "published_image_drop", "lower"),
    ("image", "corrected Drop", "main_table", "main_table", "corrected_image_drop", "lower"),
    ("image", "deletion", "faithfulness", "gain", "image_deletion_auc", "lower"),
    ("image", "insertion", "faithfulness", "gain", "image_insertion_auc", "higher"),
    ("image", "relevance gain", "faithfulness", "gain", "image_gain", "higher"),
    ("image", "AP on masks", "localization", "localization", "average_precision", "higher"),
    ("text", "published Drop", "main_table", "main_table", "published_text_drop", "lower"),
    ("text", "corrected Drop", "main_table", "main_table", "corrected_text_drop", "lower"),
    ("text", "deletion", "faithfulness", "gain", "text_deletion_auc", "lower"),
    ("text", "insertion", "faithfulness", "gain", "text_insertion_auc", "higher"),
    ("text", "relevance gain", "faithfulness", "gain", "text_gain", "higher"),
    ("text", "AP of words", "faithfulness", "words", "word_average_precision", "higher"),
]
LEAST = 4  # methods below which a rank correlation says nothing


def metrics_table(agreement: pd.DataFrame, root: str | Path, run: str = "mini-shapes") -> pd.DataFrame:
    """How well each metric recovers the order of the methods by their mean agreement with the reference.

    agreement: a row per method, with the columns image and text; root: the results, in which the tables of main_table,
    faithfulness and localization are looked for under `run`. A row per metric and kind: spearman, the rank correlation
    over methods of the metric, turned so that more is better, with the agreement, -1..1; low and high, its 95 %
    interval over resampled methods; methods, how many both have. A metric whose table or column is not there, or that
    shares fewer than four methods, has no numbers.

    >>> metrics_table(means, "results").sort_values("spearman")
    """
    need_columns(agreement, "image", "text")
    rows = []
    for kind, metric, notebook, name, column, better in SOURCES:
        found = metric_means(Path(root) / notebook / run / f"{name}.csv", column)
        both = pd.concat([found, agreement[kind].rename("agreement")], axis=1, join="inner").dropna()
        row = {"kind": kind, "metric": metric, "methods": len(both)}
        if len(both) >= LEAST:
            a, b = (-1 if better == "lower" else 1) * both.iloc[:, 0].to_numpy(), both["agreement"].to_numpy()
            row |= {"spearman": scipy.stats.spearmanr(a, b).statistic} | dict(zip(("low", "high"), resampled(a, b)))
        rows.append(row)
    return pd.DataFrame(rows, columns=["kind", "metric", "spearman", "low", "high", "methods"])


def metric_means(file: Path, column: str) -> pd.Series:
    """One column of a table of methods; empty where it is not there."""
    table = pd.read_csv(file) if file.is_file() else pd.DataFrame()
    if column not in table:
        return pd.Series(dtype=float, name=column)
    return table.set_index("method")[column].astype(float)


def resampled(a: np.ndarray, b: np.ndarray, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the rank correlation of a (n,) and b (n,), resampled together.

    NaN where one of them is constant, so that there is no correlation.
    """
    picks = np.random.default_rng(seed).integers(len(a), size=(draws, len(a)))
    picks = picks[[np.ptp(a[p]) > 0 and np.ptp(b[p]) > 0 for p in picks]]  # one method alone has no order
    if not len(picks):
        return np.nan, np.nan
    ranks = (scipy.stats.rankdata(x[picks], axis=1) for x in (a, b))
    x, y = (r - r.mean(1, keepdims=True) for r in ranks)
    values = (x * y).sum(1) / np.sqrt((x**2).sum(1) * (y**2).sum(1))
    return tuple(np.quantile(values, [0.025, 0.975]))
