"""One table over the notebooks: every method by every kind of evidence."""
from __future__ import annotations

from pathlib import Path

import pandas as pd

SOURCES = {  # notebook, file, {its column: ours}; the first column of each file is the method
    "localization": ("localization", {"pointing": "pointing", "average_precision": "precision"}),
    "main_table": ("main_table", {
        "published_image_drop": "image_drop_published", "corrected_image_drop": "image_drop_corrected",
        "published_text_drop": "text_drop_published", "corrected_text_drop": "text_drop_corrected"}),
    "faithfulness": ("gain", {"image_gain": "image_gain", "text_gain": "text_gain", "forwards": "forwards"}),
    "reference": ("reference", {"captions_image": "shapley_image", "captions_text": "shapley_text"}),
}
ENDS = ("", "_low", "_high", "_rank")


def overview(root: str | Path) -> pd.DataFrame:
    """A row per run and method, from the tables under `root`; a notebook that was not run leaves its columns empty.

    run: the name of a run's folders, such as mini-shapes; a run counts where one of the notebooks has its table.
    pointing and precision: share of phrases, and average precision of pixels, on exact masks; the Drops: in percent
    of a cosine; image_gain and text_gain: relevance gain, in cosine units; forwards: what a pair costs; shapley_image
    and shapley_text: correlation with Shapley values, of patches and of words. Each but the forwards comes with
    `_low`, `_high`, its 95 % interval, and `_rank`, a range where methods are not told apart.
    Raises ValueError where there is none of these tables.

    >>> overview("results").loc["mini-shapes"].sort_values("precision", ascending=False)
    """
    runs = {file.parent.name for notebook, (name, _) in SOURCES.items()
            for file in Path(root).glob(f"{notebook}/*/{name}.csv")}
    if not runs:
        raise ValueError(f"'{root}' has no results of {', '.join(SOURCES)}; run these notebooks first.")
    parts = {run: joined(Path(root), run) for run in sorted(runs, key=lambda run: (run != "mini-shapes", run))}
    return pd.concat(parts, names=["run", "method"])


def joined(root: Path, run: str) -> pd.DataFrame:
    """The columns that `overview` has of one run, a row per method."""
    parts = []
    for notebook, (name, columns) in SOURCES.items():
        file = root / notebook / run / f"{name}.csv"
        if file.exists():
            found = pd.read_csv(file, dtype={f"{old}_rank": str for old in columns}).set_index("method")
            kept = {f"{old}{end}": f"{new}{end}" for old, new in columns.items() for end in ENDS}
            parts.append(found[[c for c in kept if c in found]].rename(columns=kept))
    return pd.concat(parts, axis=1)
