"""The defects of the released evaluation, one switch each: what every one of them alone does to the numbers."""
from __future__ import annotations

import statistics
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from ..clip.clip import Clip, default_batch
from ..clip.similarity import cosine
from ..common.checks import check_whole, need_columns
from ..data.captions import pick_captions
from ..maps.explain import explain
from ..maps.explanation import Explanation
from ..maps.maps import minmax
from ..maps.options import check_options, find
from ..measures.confidence import change, confidence, dim_words
from ..methods.shared.layers import resolve
from .cost import seconds

DEFECTS = {
    "batch target": "the text map explains the mean similarity to all images of its batch",
    "batch's caption": "Flickr8k's caption is the one that the first image of its batch likes best",
    "bare captions": "the text metric reads captions without SOS and EOS, pooled at the largest id",
    "repeated words": "a word that occurs n times is dimmed n times wherever it stands",
    "marks in the map": "SOS and EOS take part in the min-max that makes the text map",
    "layer 9": "the layer called 9 is h_9 for NIB and h_10 for M2IB and Grad-CAM",
    "bright maps": "the published Drop and Increase dim by the map, so that a bright map loses little",
    "cold samples": "pairs per second were taken on the first two pairs, cold (here only in a fresh process)",
}


def defects(clip: Clip, pairs: pd.DataFrame, method: str = "nib", seed: int = 0, batch_size: int = 32,
            timed: bool = True, **options) -> pd.DataFrame:
    """Each defect on, then off; all else as under protocol="published", with each pair's own target and caption.

    A row per defect and metric. Columns defect (a key of DEFECTS, which says what it is), map (whose), metric,
    as_released, mended (means over pairs; Drop and Increase in percent, similarity as a cosine, fps in pairs per
    second) and difference, mended - as_released. "batch's caption" needs pairs with a column captions;
    `timed=False` leaves "cold samples" out, whose numbers are never twice the same. batch_size: of the released
    run. Raises ValueError or TypeError for a method or options that there are not.

    >>> nib.defects(clip, nib.load_pairs("shapes", n=40)).set_index(["defect", "map", "metric"])
    """
    need_columns(pairs, "image", "caption")
    check_whole("batch_size", batch_size, 1)
    function = find(method)
    check_options(method, function, options)
    options = ({"seed": seed} if function.about.noise else {}) | options
    pixels, ids = clip.pixels(list(pairs.image)), clip.ids(list(pairs.caption))
    rows = []

    def add(defect: str, released: pd.DataFrame, mended: pd.DataFrame, name: str = method) -> None:
        for metric in released:
            old, new = float(released[metric].mean()), float(mended[metric].mean())
            rows.append({"defect": defect, "map": name, "metric": metric, "as_released": old, "mended": new,
                         "difference": new - old})

    if timed:
        add("cold samples", *(pd.DataFrame({"fps": [rate]}) for rate in rates(clip, pixels, ids, method, options)))
    ex = explain(clip, pixels, ids, method, progress=False, **options)
    mixed = explain(clip, pixels, ids, method, only="text", text_target="batch", batch_size=batch_size, progress=False,
                    **options)
    words = lambda maps, **mended: text_confidence(clip, replace(ex, text=maps), **mended)
    released = confidence(clip, ex)
    add("batch target", words(mixed.text), words(ex.text))
    if "captions" in pairs:
        by = lambda rule: chosen(clip, pairs, rule, batch_size, method, options)
        add("batch's caption", by("released"), by("own"))
    add("bare captions", words(ex.text), words(ex.text, marks=True))
    add("repeated words", words(ex.text), words(ex.text, once=True))
    add("marks in the map", words(ex.text), words([content_map(scores) for scores in ex.text_scores]))
    for late in ("m2ib", "gradcam"):
        chance = {"seed": seed} if find(late).about.noise else {}
        found = [explain(clip, pixels, ids, late, progress=False, **chance, image_options={"layer": layers[0]},
                        text_options={"layer": layers[1]})
                for layers in ([resolve(tower, None, share) for tower in (clip.image, clip.text)]
                               for share in (10 / 12, 9 / 12))]
        add("layer 9", *(confidence(clip, one) for one in found), late)
    scores, image = minmax(ex.image_scores.flatten(1)).view_as(ex.image_scores), ["image_drop", "image_increase"]
    bright = {method: lambda m: m, f"{method} ** 0.25": lambda m: m ** 0.25, "all_ones": torch.ones_like}
    for name, brighten in bright.items():
        brighter = replace(ex, image=brighten(ex.image), image_scores=brighten(scores))
        old = released if name == method else confidence(clip, brighter)
        add("bright maps", old[image], confidence(clip, brighter, "corrected")[image], name)
    return pd.DataFrame(rows)


def rates(clip: Clip, pixels: Tensor, ids: list[Tensor], method: str, options: dict) -> tuple[float, float]:
    """Pairs per second, one at a time: of the first two as they come, then the median of up to five of them warm."""
    one = lambda i: explain(clip, pixels[i : i + 1], [ids[i]], method, progress=False, **options)
    first = [seconds(lambda i=i: one(i), 1)[0] for i in range(min(2, len(ids)))]
    warm = [seconds(lambda i=i: one(i), 1)[0] for i in range(min(5, len(ids)))]
    return len(first) / sum(first), 1 / statistics.median(warm)


def chosen(clip: Clip, pairs: pd.DataFrame, rule: str, batch_size: int, method: str, options: dict) -> pd.DataFrame:
    """Similarity and the published metrics with captions chosen by that rule of `pick_captions`."""
    captions = list(pick_captions(clip, pairs, rule, batch_size).caption)
    ex = explain(clip, list(pairs.image), captions, method, progress=False, **options)
    return pd.DataFrame({"similarity": ex.similarity.double().numpy()}).join(confidence(clip, ex))


def content_map(scores: Tensor) -> Tensor:
    """Scores (T,) -> a map in 0..1 min-maxed over the words alone; SOS and EOS, which no metric dims, get 0."""
    return torch.nn.functional.pad(minmax(scores[1:-1]), (1, 1))


@torch.no_grad()
def text_confidence(clip: Clip, ex: Explanation, *, marks: bool = False, once: bool = False) -> pd.DataFrame:
    """The published text metric, `confidence`'s columns text_drop and text_increase, with two of its defects mended.

    marks: captions keep SOS and EOS, never dimmed, and are pooled at EOS; else they lose both and are pooled at
    the largest id. once: every word is dimmed by its own value; else by the product over its occurrences.

    >>> text_confidence(clip, ex, marks=True, once=True).mean()
    """
    frames, step, (images, _) = [], default_batch(clip), ex.features_of(clip)
    for first in range(0, len(ex), step):
        part = slice(first, first + step)
        ids = [one.to(clip.device) for one in ex.ids[part]]
        before, after = dim_words(clip.text, ids, ex.text[part], marks, once)
        found = change("text", cosine(images[part], before), cosine(images[part], after))
        frames.append(pd.DataFrame({name: values.cpu().numpy() for name, values in found.items()}))
    return pd.concat(frames, ignore_index=True)
