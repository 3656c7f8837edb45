"""Masks of objects at the model's pixels: cut as its pictures are, drawn from boxes, checked."""
from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..clip.pictures import Preprocess, size_of
from ..common.checks import brief, check_whole


def check_masks(maps: Tensor, masks: Tensor, spread: bool = False) -> None:
    """Refuse maps and masks that cannot be compared; maps of patches are yet to be spread over a mask's pixels."""
    for name, given in (("maps", maps), ("masks", masks)):
        if not isinstance(given, Tensor):
            raise TypeError(f"{name} are {brief(given)}; pass a tensor (B, H, W).")
    alike = len(maps) == len(masks) if spread and maps.ndim == masks.ndim == 3 else maps.shape == masks.shape
    if maps.ndim != 3 or not alike or masks.dtype != torch.bool:
        form = "(B, gh, gw) and (B, H, W)" if spread else "both as (B, H, W)"
        raise ValueError(f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)} of {masks.dtype} do not fit; pass "
                         f"{form}, the masks of torch.bool.")
    for wrong, what in ((~masks.flatten(1).any(1), "mask {} is empty; leave out what is not in the picture."),
                        (~maps.flatten(1).isfinite().all(1), "map {} contains NaN or infinity.")):
        if wrong.any():
            raise ValueError(what.format(int(wrong.nonzero()[0])))


def grid_truth(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """The share of each patch of the grid that masks (B, H, W) bool cover: (B, gh, gw) in 0..1.

    The truth as a method of patches could know it: `explanation(..., scores=True)` makes it one, "exact_masks", for
    every table. Raises ValueError for masks that are not (B, H, W) bool, or empty.

    >>> scores = nib.grid_truth(torch.from_numpy(np.stack(phrases["mask"])), clip.image.grid)
    """
    check_masks(masks, masks)
    if not isinstance(grid, (tuple, list)) or len(grid) != 2:
        raise ValueError(f"grid is {brief(grid)}; pass its rows and columns, such as (7, 7).")
    for side in grid:
        check_whole("a side of the grid", side, 1)
    return F.adaptive_avg_pool2d(masks.float()[:, None], tuple(grid))[:, 0]


def box_masks(boxes, H: int, W: int) -> Tensor:
    """Boxes (B, 4) as (x0, y0, x1, y1), in pixels of an H x W picture -> masks (B, H, W) bool.

    A pixel belongs to a box that holds its centre, so x1 and y1 are where the next pixel begins: add 1
    to corners that name the last pixel inside, and scale corners first where the picture was resized.
    Raises ValueError for a box that is empty or holds no pixel's centre.

    >>> masks = nib.box_masks([(10, 20, 40, 60)], 64, 64)
    """
    try:
        boxes = torch.as_tensor(np.asarray(boxes, float).reshape(-1, 4))
    except (TypeError, ValueError):
        raise TypeError(f"boxes are {brief(boxes)}; pass four numbers (x0, y0, x1, y1) for each.") from None
    x0, y0, x1, y1 = boxes.T[:, :, None]  # (B, 1) each
    x, y = torch.arange(W) + 0.5, torch.arange(H) + 0.5
    masks = ((y0 <= y) & (y < y1))[:, :, None] & ((x0 <= x) & (x < x1))[:, None]
    empty = ~masks.flatten(1).any(1)
    if empty.any():
        i = int(empty.nonzero()[0])
        raise ValueError(f"box {i}, {tuple(boxes[i].tolist())}, holds no pixel of a picture of {H} x {W}; boxes are "
                         "(x0, y0, x1, y1) in its pixels.")
    return masks


def seen_masks(pairs: pd.DataFrame, preprocess: Preprocess) -> Tensor:
    """The column mask of pairs, each at the model's pixels, (B, H, W) bool. Raises ValueError as `seen`."""
    rows = enumerate(zip(pairs["image"], pairs["caption"], pairs["mask"]))
    return torch.from_numpy(np.stack([seen(mask, image, f"row {i}, {said!r}", preprocess)
                                      for i, (image, said, mask) in rows]))


def seen(mask: np.ndarray, image, where: str, preprocess: Preprocess) -> np.ndarray:
    """The mask (h, w) of a picture at the model's pixels (H, W); one of that size is taken to be there already."""
    mask, model = np.asarray(mask), tuple(preprocess.size)
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(f"{where}: the mask is {mask.dtype} of shape {mask.shape}; pass bool of shape (H, W).")
    if mask.shape == model:
        return mask
    if (picture := size_of(image)) not in (None, mask.shape):
        raise ValueError(f"{where}: the mask has shape {mask.shape}, but its picture {picture} and the model's input "
                         f"{model}, (H, W) each; pass the mask at one of these two sizes.")
    return crop_masks(mask[None], preprocess)[0]


def left(masks: Tensor, phrases: list[str], broken: str) -> np.ndarray:
    """The rows of masks (B, H, W) that are not empty; the others raise, or are left out with a warning."""
    there = masks.flatten(1).any(1).numpy()
    gone = np.flatnonzero(~there)
    told = f"{len(gone)} of {len(masks)} phrases"
    if not there.any():
        raise ValueError(f"the model's crop leaves nothing of the masks of {told}; check them, or load more pairs.")
    if len(gone) and broken == "raise":
        raise ValueError(f"the model's crop leaves nothing of the masks of {told}, first that of row {gone[0]}, "
                         f'{phrases[gone[0]]!r}; leave such phrases out, as localize does with broken="skip".')
    if len(gone):
        warnings.warn(f"{told} are left out: the model's crop leaves nothing of their masks.", stacklevel=3)
    return np.flatnonzero(there)


def crop_masks(masks: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Masks (P, H, W) bool at an image's size -> (P, h, w) bool where `preprocess` leaves their pixels.

    The same resize and centre crop that the image gets, nearest neighbour instead of bicubic; what is cropped
    away is gone, so that a mask can become empty; `localize` does this by itself. preprocess: that of a Clip.
    Raises ValueError for another shape.

    >>> masks = torch.from_numpy(nib.crop_masks(pairs.masks[0], clip.preprocess))
    >>> nib.pointing(ex.image, masks)
    """
    masks = np.asarray(masks)
    if masks.ndim != 3 or masks.dtype != bool:
        raise ValueError(f"masks are {masks.dtype} of shape {masks.shape}; pass bool of shape (P, H, W).")
    plain = replace(preprocess, mean=(0.0,) * 3, std=(1.0,) * 3, resample=Image.Resampling.NEAREST)
    cropped = [plain(Image.fromarray(mask.astype(np.uint8) * 255))[0].numpy() > 0.5 for mask in masks]
    return np.stack(cropped) if cropped else np.zeros((0, *preprocess.size), bool)
