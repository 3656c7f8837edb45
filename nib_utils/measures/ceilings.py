"""The most that a map of the grid's resolution can reach on exact masks: no method of patches can be told from it."""
from __future__ import annotations

import pandas as pd
from torch import Tensor

from ..maps.maps import upsampled
from .localization import average_precision, iou, pointing
from .masks import grid_truth


def grid_ceiling(masks: Tensor, grid: tuple[int, int]) -> pd.DataFrame:
    """What the share of each patch that masks (B, H, W) bool cover scores as a map of them: a row per mask.

    Columns pointing, iou and average_precision of these shares stretched linearly, as our maps are: what exact
    knowledge of the truth is worth at this resolution. And pointing_flat, iou_flat and average_precision_flat of the
    patches in the order of their shares, each flat: no map that is flat on patches of equal size reaches more of any
    of the three, since the densest pixels come first, and to exchange two patches, or to tie them, can only lower the
    mean precision. Values in 0..1. Raises ValueError for masks that are not (B, H, W) bool, or empty, or do not fall
    into such patches.

    >>> nib.grid_ceiling(torch.from_numpy(pairs.masks[0]), clip.image.grid)
    """
    cover, size = grid_truth(masks, grid), masks.shape[1:]
    if size[0] % grid[0] or size[1] % grid[1]:
        raise ValueError(f"masks of {size[0]} x {size[1]} do not fall into {grid[0]} x {grid[1]} equal patches.")
    order = cover.flatten(1).argsort(1).argsort(1).view_as(cover).float()  # equal shares are not tied: that costs
    flat = order.repeat_interleave(size[0] // grid[0], 1).repeat_interleave(size[1] // grid[1], 2)
    found = {f"{metric.__name__}{end}": metric(maps, masks).numpy()
             for end, maps in (("", upsampled(cover, size)), ("_flat", flat))
             for metric in (pointing, iou, average_precision)}
    return pd.DataFrame(found)
