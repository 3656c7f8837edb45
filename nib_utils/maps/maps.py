"""Scores made into maps between 0 and 1, and maps that are handed in, checked."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.tower import Reading, Tower
from ..common.checks import brief, in_order


def image_maps(tower: Tower, reading: Reading, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of tokens (B, T) -> of patches (B, gh, gw), and maps (B, H, W), upsampled and then min-maxed.

    Scores of pixels (B, H, W) are kept as they are, and min-maxed.
    """
    if scores.ndim == 3:
        return scores.float(), minmax(scores.float().flatten(1)).view_as(scores)
    raw = scores[:, -tower.grid[0] * tower.grid[1] :].unflatten(1, tower.grid).float()
    maps = F.interpolate(raw[:, None], reading.x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return raw, minmax(maps.flatten(1)).view_as(maps)


def text_maps(tower: Tower, reading: Reading, scores: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Token scores (B, T) -> the same and a min-maxed map (T_b,) per caption, without its padding."""
    return scores.float(), [minmax(s[:length].float()) for s, length in zip(scores, reading.lengths.tolist())]


def minmax(x: Tensor) -> Tensor:
    """Scale the last axis to 0..1; what is constant becomes 1 where it is positive, else 0."""
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), (x > 0).to(x.dtype))


def check_maps(count: int, size: Sequence[int], ids: list[Tensor], image_maps,
               text_maps) -> tuple[Tensor, list[Tensor]]:
    maps, words = (as_maps(*given) for given in (("image", image_maps), ("text", text_maps)))
    if not count == len(ids) == len(maps) == len(words):
        raise ValueError(f"{count} images, {len(ids)} captions, {len(maps)} image maps and {len(words)} text "
                         "maps were given; pass as many of each.")
    for i, (m, caption) in enumerate(zip(words, ids)):
        if maps[i].shape != tuple(size):
            raise ValueError(f"image map {i} has shape {tuple(maps[i].shape)}; it must be {tuple(size)}.")
        if m.shape != caption.shape:
            raise ValueError(f"text map {i} has shape {tuple(m.shape)}, but its caption has {len(caption)} tokens "
                             "with SOS and EOS.")
        for values in (m, maps[i]):
            if not values.isfinite().all():
                raise ValueError(f"a map of pair {i} contains NaN or infinity.")
            low, high = values.min().item(), values.max().item()
            if low < -1e-6 or high > 1 + 1e-6:
                raise ValueError(f"a map of pair {i} runs from {low:.3g} to {high:.3g}; maps lie in 0..1.")
    return torch.stack(maps), words


def as_maps(kind: str, given) -> list[Tensor]:
    """Maps that are handed in as a list of float32 tensors."""
    maps = given if isinstance(given, (Tensor, np.ndarray)) else in_order(f"{kind} maps", given, "arrays")
    try:
        return [torch.as_tensor(m).float().cpu() for m in maps]
    except (TypeError, ValueError, RuntimeError):  # None, words, lists of lists of two lengths
        raise TypeError(f"{kind} maps are {brief(given)}; pass an array of numbers for each pair.") from None
