"""One table over the notebooks: every method by every kind of evidence."""
from __future__ import annotations

from collections import Counter
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


def overview(root: str | Path, run: str | None = None) -> pd.DataFrame:
    """A row per method, from the tables under `root` of one run; a notebook that was not run leaves no columns.

    run: the name of its folders; None: the one that most of the notebooks have, mini-shapes among equals.

    pointing and precision: share of phrases, and average precision of pixels, on exact masks; the Drops: in percent
    of a cosine; image_gain and text_gain: relevance gain, in cosine units; forwards: what a pair costs; shapley_image
    and shapley_text: correlation with Shapley values, of patches and of words. Each but the forwards comes with
    `_low`, `_high`, its 95 % interval, and `_rank`, a range where methods are not told apart.
    Raises ValueError where there is none of these tables.

    >>> overview("results").sort_values("precision", ascending=False)
    """
    run = run or usual_run(Path(root))
    parts = []
    for notebook, (name, columns) in SOURCES.items():
        file = Path(root) / notebook / run / f"{name}.csv"
        if not file.exists():
            continue
        found = pd.read_csv(file, dtype={f"{old}_rank": str for old in columns})
        found = found.set_index("method")
        kept = {f"{old}{end}": f"{new}{end}" for old, new in columns.items() for end in ("", "_low", "_high", "_rank")}
        parts.append(found[[c for c in kept if c in found]].rename(columns=kept))
    if not parts:
        raise ValueError(f"'{root}' has no results of {', '.join(SOURCES)} for {run}; run these notebooks first.")
    return pd.concat(parts, axis=1)


def usual_run(root: Path) -> str:
    found = Counter(file.parent.name for notebook, (name, _) in SOURCES.items()
                    for file in sorted(root.glob(f"{notebook}/*/{name}.csv")))
    return max(found, key=lambda run: (found[run], run == "mini-shapes"), default="mini-shapes")
