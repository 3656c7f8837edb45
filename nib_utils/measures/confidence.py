"""Confidence Drop and Increase: does the model still see the caption when only the explained part is left?"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.captions import pad
from ..clip.clip import Clip, default_batch
from ..clip.perturb import Perturbed
from ..clip.similarity import cosine
from ..clip.tower import Tower
from ..common.checks import check_choice
from ..maps.explanation import Explanation, check_explanation
from .ranking import chances, patch_scores, ranks, word_scores

PROTOCOLS = ("published", "corrected")
SHARES = (0.05, 0.10, 0.25, 0.50)  # of the parts, that are kept
DRAWS = 4  # orders of what ties, where they make a difference


@torch.no_grad()
def confidence(clip: Clip, ex: Explanation, protocol: str = "published", *,
               batch_size: int | None = None) -> pd.DataFrame:
    """Drop, `100 max(0, before - after)`, and Increase, `100 [after > before]`, of the cosine, a row per pair.

    ex: of `explain`, with both maps, or of `explanation`, for maps made elsewhere.
    "published" is the released evaluation with its defects: normalised pixels times the map, so that a
    bright map loses little; a caption without SOS and EOS, pooled at its largest id, a repeated word
    dimmed once per occurrence. "corrected" keeps the best 5, 10, 25 and 50 % of the parts by their scores (at least
    one): patches of the model's grid, the rest on the mean colour; words at their places, the others' rows of the
    vocabulary zero. Every map keeps as much, so none gains by being bright or broad or fine of grain; where scores tie,
    it is the mean over four orders that chance draws for each pair.

    Columns image_drop, image_increase, text_drop, text_increase, in percent, and image_drop_relative,
    text_drop_relative: the Drop in percent of `before` rather than of a cosine, above 100 where the cosine
    turns negative, and 0 where there was none to lose (before <= 0). "corrected" gives their means over the four
    shares, and beside them image_drop_5 and so on, the Drop at each.
    Raises ValueError for an unknown protocol, or an explanation that lacks a map.

    >>> ex = nib.explain(clip, images, texts)
    >>> nib.confidence(clip, ex, protocol="corrected").mean()
    """
    check_choice("protocol", protocol, PROTOCOLS)
    check_explanation(ex, "image", "text")
    images, captions = ex.features_of(clip)
    patches, words, seeds = patch_scores(ex, clip.image), word_scores(ex), chances(ex)
    step, frames = batch_size or default_batch(clip), []
    for first in range(0, len(ex), step):
        pairs = slice(first, first + step)
        x, ids = ex.pixels[pairs].to(clip.device), [one.to(clip.device) for one in ex.ids[pairs]]
        image, caption = images[pairs], captions[pairs]
        if protocol == "corrected":
            found = (kept("image", clip.image, x, patches[pairs], seeds[pairs], image, caption)
                     | kept("text", clip.text, pad(ids), words[pairs], seeds[pairs], caption, image))
        else:
            masked = changed(clip.image, x, dim_pixels(x, ex.image[pairs].to(x.device)), image)
            before, after = dim_words(clip.text, ids, ex.text[pairs])
            found = (change("image", cosine(image, caption), cosine(masked, caption))
                     | change("text", cosine(image, before), cosine(image, after)))
        frames.append(pd.DataFrame({name: values.double().cpu().numpy() for name, values in found.items()}))
    return pd.concat(frames, ignore_index=True)


def change(kind: str, before: Tensor, after: Tensor) -> dict[str, Tensor]:
    """Drop and Increase from cosines before, (B,), and after, (..., B), in percent, (..., B)."""
    drop = (before - after).clamp(min=0)
    return {f"{kind}_drop": 100 * drop, f"{kind}_increase": 100 * (after > before).double(),
            f"{kind}_drop_relative": 100 * torch.where(before > 0, drop / before, 0.0)}


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


# corrected: the best parts are kept as they are, the others are taken away


def kept(kind: str, tower: Tower, x: Tensor, scores: Sequence[Tensor], seeds: Sequence[int], before: Tensor,
         other: Tensor) -> dict[str, Tensor]:
    """`change` when only a share of the best parts is left: means over SHARES and orders of ties, and each Drop, (B,).

    x: pixels, or padded ids; scores: (N_b,) of each one's parts; before, other: features (B, E) of the inputs as they
    are, and of the other half of their pairs.
    """
    keep = torch.stack([best(scores, seeds, draw) for draw in range(DRAWS)])  # (draws, shares, B, N)
    rows = torch.arange(len(scores)).expand(keep.shape[:-1]).flatten()
    after = cosine(Perturbed(tower, x).feature(keep.flatten(0, 2), rows), other[rows.to(other.device)])
    whole = cosine(before, other)
    after = after.view(keep.shape[:-1])  # (draws, shares, B)
    after = torch.where((after - whole).abs() < 1e-6, whole, after)  # rounding is no change where nothing was changed
    found = {name: values.mean(0) for name, values in change(kind, whole, after).items()}
    each = {f"{kind}_drop_{share:.0%}".rstrip("%"): drop for share, drop in zip(SHARES, found[f"{kind}_drop"])}
    return {name: values.mean(0) for name, values in found.items()} | each


def best(scores: Sequence[Tensor], seeds: Sequence[int], draw: int) -> Tensor:
    """Which parts are among the best, for each of SHARES: (shares, B, N) bool; what is padded counts as kept."""
    rank = ranks(scores, seeds, draw)  # (B, N)
    counts = torch.tensor([[max(1, int(share * len(s) + 0.5)) for s in scores] for share in SHARES])
    return (rank < counts[..., None]) | rank.isinf()
