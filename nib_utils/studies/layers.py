"""What a layer is worth: maps at one layer of each tower, by every measure that knows what is right."""
from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..clip.clip import Clip
from ..common.checks import need_columns
from ..maps.explain import explain
from ..measures.curves import curves
from ..measures.localization import localize, phrase_pairs
from ..measures.words import word_accuracy

MEASURES = {"image_gain": "image", "average_precision": "image", "text_gain": "text", "word_precision": "text"}


def at_layer(clip: Clip, pairs: pd.DataFrame, method: str, image: int, text: int, **options) -> pd.DataFrame:
    """How good a method's maps are at layer `image` of pictures and `text` of captions: a row per scene.

    pairs: drawn scenes; options: the method's others. Columns scene; of the caption image_gain and text_gain (as
    `curves`, words in place) and word_precision (as `word_accuracy`); average_precision on the exact mask of the
    first object, its phrase explained by itself, NaN for a scene of one object, whose phrase is its caption. Raises
    ValueError for pairs without these, or a layer that a tower lacks.

    >>> at_layer(clip, nib.load_pairs("shapes", n=20), "nib", image=6, text=1).mean()
    """
    need_columns(pairs, "image", "caption", "phrases", "masks", "content")
    pairs = pairs.reset_index(drop=True)
    own = {"image_options": {"layer": image}, "text_options": {"layer": text}}
    ex = explain(clip, list(pairs.image), list(pairs.caption), method, progress=False, **own, **options)
    rows = curves(clip, ex)[["image_gain", "text_gain"]]
    rows["word_precision"] = word_accuracy(ex, pairs.content).average_precision
    phrases = phrase_pairs(pairs).drop_duplicates("scene")
    rows["average_precision"] = float("nan")
    if len(phrases):
        found = localize(clip, phrases, method, layer=image, progress=False, **options)
        rows["average_precision"] = found.set_index("scene").average_precision
    return rows.rename_axis("scene").reset_index()[["scene", *MEASURES]]


def sweep(clip: Clip, pairs: pd.DataFrame, method: str, layers: Sequence[int], **options) -> pd.DataFrame:
    """`at_layer` for each layer, of both towers at once: a row per layer and scene.

    >>> sweep(clip, nib.load_pairs("shapes", n=20), "nib", range(12)).groupby("layer").mean()
    """
    parts = {layer: at_layer(clip, pairs, method, layer, layer, **options) for layer in layers}
    return pd.concat(parts, names=["layer"]).reset_index("layer").reset_index(drop=True)


def best(swept: pd.DataFrame) -> dict[str, int]:
    """The layer of each tower at which its relevance gain was highest in the mean, of a `sweep`.

    >>> best(sweep(clip, pairs, "nib", range(12)))
    {'image': 6, 'text': 1}
    """
    mean = swept.groupby("layer")[["image_gain", "text_gain"]].mean()
    return {"image": int(mean.image_gain.idxmax()), "text": int(mean.text_gain.idxmax())}
