"""Scores of tokens or pixels made into maps between 0 and 1, or into scores of whole words."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.clip import Clip
from ..clip.tower import Reading, Tower


def image_maps(tower: Tower, reading: Reading, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of tokens (B, T) -> of patches (B, gh, gw), and maps (B, H, W), upsampled and then min-maxed.

    Scores of pixels (B, H, W) are kept as they are, and min-maxed.
    """
    if scores.ndim == 3:
        return scores.float(), minmax(scores.float().flatten(1)).view_as(scores)
    raw = scores[:, -tower.grid[0] * tower.grid[1] :].unflatten(1, tower.grid).float()
    maps = upsampled(raw, reading.x.shape[-2:])
    return raw, minmax(maps.flatten(1)).view_as(maps)


def upsampled(scores: Tensor, size: Sequence[int]) -> Tensor:
    """Scores of patches (B, gh, gw), stretched linearly to pixels (B, H, W); those of pixels stay as they are."""
    if scores.shape[1:] == tuple(size):
        return scores
    return F.interpolate(scores[:, None], tuple(size), mode="bilinear", align_corners=False)[:, 0]


def text_maps(tower: Tower, reading: Reading, scores: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Token scores (B, T) -> the same and a min-maxed map (T_b,) per caption, without its padding."""
    return scores.float(), [minmax(s[:length].float()) for s, length in zip(scores, reading.lengths.tolist())]


def shares(scores: Tensor, located: bool = False) -> Tensor:
    """Scores of any shape as shares of the strongest, -1..1: their sign stays, and zero stays zero.

    located: for a map that says where, not how much. Of scores of one sign the weakest becomes zero, and the strongest
    are a hundredth of all, since single pixels may exceed the rest many times.
    """
    scores = scores.float()
    if located and scores.min() < scores.max():
        scores = scores - scores.new_zeros(()).clamp(scores.min(), scores.max())
    sizes = scores.abs()
    strongest = sizes.flatten().quantile(0.99) if located else sizes.max()
    return (scores / (strongest or sizes.max() or 1)).clamp(-1, 1)


def minmax(x: Tensor) -> Tensor:
    """Scale the last axis to 0..1; what is constant becomes 1 where it is positive, else 0; NaN stays NaN."""
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return torch.where(high == low, (x > 0).to(x.dtype), (x - low) / (high - low))


class Word(NamedTuple):
    """A word of a caption and what a method says of it."""

    text: str
    score: float  # the sum of its pieces' scores, in the method's own unit
    share: float  # of the strongest word's, -1..1: what pictures show
    known: bool  # has the model an embedding of it? if not, what is said of it means nothing


def words_of(clip: Clip, ids: Tensor, scores: Tensor) -> list[Word]:
    """The words of a caption, ids and scores (T,); SOS and EOS, whose scores would swamp theirs, are none."""
    spans = clip.tokenizer.spans(ids.tolist())
    sums = scores.new_tensor([scores[place].sum() for _, place in spans])
    known = clip.text.parts["vocabulary"][ids].any(-1)  # (T,); mini has zeros for what it never saw
    return [Word(text, score, share, bool(known[place].all()))
            for (text, place), score, share in zip(spans, sums.tolist(), shares(sums).tolist())]
