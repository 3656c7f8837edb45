"""Confidence Drop and Increase: does the model still see the caption when only the explained part is left?"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.captions import pad
from ..clip.clip import Clip, default_batch
from ..clip.similarity import cosine
from ..clip.tower import Tower
from ..common.checks import check_choice
from ..maps.explanation import Explanation, check_explanation

PROTOCOLS = ("published", "corrected")


@torch.no_grad()
def confidence(clip: Clip, ex: Explanation, protocol: str = "published", *,
               batch_size: int | None = None) -> pd.DataFrame:
    """Drop, `100 max(0, before - after)`, and Increase, `100 [after > before]`, of the cosine, a row per pair.

    ex: of `explain`, with both maps, or of `explanation`, for maps made elsewhere.
    "published" is the released evaluation with its defects: normalised pixels times the map, so that a
    bright map loses little; a caption without SOS and EOS, pooled at its largest id, a repeated word
    dimmed once per occurrence. "corrected" keeps the better half of each map: the upper half of the
    pixels on the mean colour, the upper half of the words in a whole caption; where a map has no
    preference, chance chooses. It is the area-matched form: every map keeps the same area, so none gains
    by being bright or broad.

    Columns image_drop, image_increase, text_drop, text_increase, in percent, and image_drop_relative,
    text_drop_relative: the Drop in percent of `before` rather than of a cosine, above 100 where the cosine
    turns negative, and 0 where there was none to lose (before <= 0).
    Raises ValueError for an unknown protocol, or an explanation that lacks a map.

    >>> ex = nib.explain(clip, images, texts)
    >>> nib.confidence(clip, ex, protocol="corrected").mean()
    """
    check_choice("protocol", protocol, PROTOCOLS)
    check_explanation(ex, "image", "text")
    images, captions = ex.features_of(clip)
    step, frames = batch_size or default_batch(clip), []
    for first in range(0, len(ex), step):
        pairs = slice(first, first + step)
        x, ids, words = ex.pixels[pairs].to(clip.device), ex.ids[pairs], ex.text[pairs]
        image, caption = images[pairs], captions[pairs]
        masked = (dim_pixels if protocol == "published" else keep_pixels)(x, ex.image[pairs].to(x.device))
        masked = changed(clip.image, x, masked, image)
        before, after = (dim_words(clip.text, ids, words) if protocol == "published" else
                         (caption, keep_words(clip.text, ids, words, caption)))
        frames.append(pd.DataFrame(
            change(cosine(image, caption), cosine(masked, caption), "image")
            | change(cosine(image, before), cosine(image, after), "text")))
    return pd.concat(frames, ignore_index=True)


def change(before: Tensor, after: Tensor, kind: str) -> dict[str, np.ndarray]:
    drop = (before - after).clamp(min=0)
    relative = torch.where(before > 0, drop / before, 0.0)
    return {f"{kind}_drop": (100 * drop).double().cpu().numpy(),
            f"{kind}_increase": (100 * (after > before).double()).cpu().numpy(),
            f"{kind}_drop_relative": (100 * relative).double().cpu().numpy()}


def changed(encode: Callable[[Tensor], Tensor], x: Tensor, new: Tensor, before: Tensor) -> Tensor:
    """Features (B, E) of what was made of inputs, whose own are `before`."""
    same = (new == x).flatten(1).all(1)
    return torch.where(same[:, None], before, encode(new))  # rounding is no change where nothing was changed


# published: everything is dimmed by the map


def dim_pixels(x: Tensor, maps: Tensor) -> Tensor:
    """Normalised pixels (B, 3, H, W) times the map (B, H, W)."""
    return x * maps[:, None]


def dim_words(tower: Tower, ids: Sequence[Tensor], maps: Sequence[Tensor], marks: bool = False,
              once: bool = False) -> tuple[Tensor, Tensor]:
    """Features (B, E) of captions before and after their vocabulary rows are dimmed by their maps (T_b,).

    As published, captions lose SOS and EOS and are pooled at the largest id, and a repeated word is dimmed once
    per occurrence. marks: they keep both, never dimmed, and are pooled at EOS; once: each word by its own value.
    """
    captions, scales = [], []
    for caption, m in zip(ids, maps):
        words, scale = caption[1:-1], m[1:-1].to(caption.device)
        if not once:
            same = words[:, None] == words  # (T, T): equal tokens share one row
            scale = torch.where(same, scale, 1.0).prod(1)
        captions.append(caption if marks else words)
        scales.append(F.pad(scale, (1, 1), value=1.0) if marks else scale)
    x, scale = pad(captions), torch.nn.utils.rnn.pad_sequence(scales, batch_first=True)[..., None]  # (B, T), (B, T, 1)
    vocabulary, positions = tower.parts["vocabulary"], tower.parts["positions"][: x.shape[1]]
    at = tower.at(x) if marks else torch.stack([caption.argmax() for caption in captions])

    def embedded(scale):  # (B, T, 1) -> tokens (B, T, D)
        return (vocabulary[x] * scale + positions).to(tower.dtype)

    def feature(tokens):
        return tower.finish(tower.pre(tokens), 0, at.repeat(len(tokens) // len(at)))

    whole, dimmed = embedded(torch.ones_like(scale)), embedded(scale)
    before, after = feature(torch.cat([whole, dimmed])).chunk(2)
    same = (whole == dimmed).flatten(1).all(1)
    return before, torch.where(same[:, None], before, after)


# corrected: the better half is kept as it is, the rest is taken away


def keep_pixels(x: Tensor, maps: Tensor) -> Tensor:
    """The upper half of the pixels by the map, on the mean colour; ties are broken by chance, patch by patch."""
    H, W = maps.shape[-2:]
    chance = np.random.default_rng(0).permutation(49).reshape(7, 7)
    chance = np.kron(chance, np.ones((-(-H // 7), -(-W // 7))))[:H, :W].ravel()
    shuffled = torch.from_numpy(np.argsort(chance, kind="stable")).to(x.device)
    flat = maps.flatten(1)[:, shuffled]
    best = shuffled[flat.argsort(dim=1, descending=True, stable=True)[:, : H * W // 2]]
    keep = torch.zeros_like(maps).flatten(1).scatter_(1, best, 1.0).view_as(maps)
    return x * keep[:, None]


def keep_words(tower: Tower, ids: Sequence[Tensor], maps: Sequence[Tensor], before: Tensor) -> Tensor:
    """Features (B, E) of the captions of only the upper half of their words; `before`: those of the whole captions."""
    kept = []
    for caption, m in zip(ids, maps):
        inner = len(caption) - 2
        shuffled = torch.from_numpy(np.random.default_rng(0).permutation(inner))
        order = shuffled[m[1:-1].cpu()[shuffled].argsort(descending=True, stable=True)]
        best = 1 + order[: -(-inner // 2)].sort().values.to(caption.device)
        kept.append(torch.cat([caption[:1], caption[best], caption[-1:]]))
    return changed(tower, *pad([*ids, *kept]).chunk(2), before)
