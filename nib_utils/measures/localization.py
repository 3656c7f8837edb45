"""Does a map lie on the object that a phrase names? Measured on exact masks, or boxes."""
from __future__ import annotations

import math
from numbers import Real

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.clip import Clip
from ..common.checks import brief, check_choice, need_columns
from ..maps.explain import explain
from ..maps.explanation import Explanation
from ..maps.options import check_request
from .masks import check_masks, grid_truth, left, seen_masks


def phrase_pairs(pairs: pd.DataFrame, least: int = 2) -> pd.DataFrame:
    """One row per named object of the scenes with at least `least` objects.

    Columns scene (the row's index in `pairs`, which the phrases of one picture share), image, phrase, mask (H, W)
    bool, and objects, how many the scene has.

    >>> nib.phrase_pairs(nib.load_pairs("shapes", n=50)).groupby("scene").size()
    """
    need_columns(pairs, "image", "phrases", "masks")
    rows = [{"scene": pair.Index, "image": pair.image, "phrase": phrase, "mask": mask, "objects": len(pair.phrases)}
            for pair in pairs.itertuples() if len(pair.phrases) >= least
            for phrase, mask in zip(pair.phrases, pair.masks)]
    return pd.DataFrame(rows, columns=["scene", "image", "phrase", "mask", "objects"])


def pointing(maps: Tensor, masks: Tensor) -> Tensor:
    """Whether the highest pixel of each map (B, H, W) lies in its mask (B, H, W): (B,) of 0 and 1.

    Where several pixels share the maximum, the share of them that lies in the mask: what chance would give. Raises
    as `iou`.

    >>> nib.pointing(ex.image, nib.box_masks([(10, 20, 40, 60)], 64, 64))
    """
    check_masks(maps, masks)
    top = maps == maps.amax((1, 2), keepdim=True)
    return (top & masks).sum((1, 2)) / top.sum((1, 2))


def mass(scores: Tensor, masks: Tensor) -> Tensor:
    """Share of the positive patch scores (B, gh, gw), spread over the pixels, that lies in the mask: (B,) in 0..1.

    A map without a positive score puts no mass anywhere and gets 0. Raises ValueError for masks that are not
    (B, H, W) bool of the same B, an empty mask or a NaN.

    >>> nib.mass(ex.image_scores, nib.box_masks([(10, 20, 40, 60)], 64, 64))
    """
    check_masks(scores, masks, spread=True)
    positive = scores.clamp(min=0)
    inside = (positive * grid_truth(masks, scores.shape[1:])).sum((1, 2))
    return inside / positive.sum((1, 2)).clamp(min=torch.finfo(scores.dtype).tiny)


def iou(maps: Tensor, masks: Tensor, keep: str | float = "area") -> Tensor:
    """Intersection over union of each thresholded map (B, H, W) and its mask (B, H, W) bool: (B,) in 0..1.

    keep: "area", the map's highest pixels, as many as the mask has (of those that tie for the last places,
    each counts for its chance); or a threshold, the pixels of at least that value. Raises ValueError for
    shapes that differ, an empty mask or a NaN.

    >>> nib.iou(ex.image, masks), nib.iou(ex.image, masks, keep=0.5)
    """
    check_masks(maps, masks)
    flat, inside = maps.flatten(1).float(), masks.flatten(1)
    if isinstance(keep, str):
        check_choice("keep", keep, ("area",))
        area = inside.sum(1, keepdim=True)
        last = flat.sort(1, descending=True).values.gather(1, area - 1)  # (B, 1)
        above, tied = flat > last, flat == last
        share = above + tied * (area - above.sum(1, keepdim=True)) / tied.sum(1, keepdim=True)  # (B, H W) in 0..1
    elif isinstance(keep, Real) and not isinstance(keep, bool) and abs(keep) < math.inf:
        share = (flat >= float(keep)).float()
    else:
        raise TypeError(f"keep is {brief(keep)}; pass 'area' or the least value of the pixels to keep.")
    both = (share * inside).sum(1)
    return both / (share.sum(1) + inside.sum(1) - both)


def average_precision(maps: Tensor, masks: Tensor, batch_size: int = 64) -> Tensor:
    """Average precision of each map (B, H, W) as a ranking of pixels, those of its mask (B, H, W) sought: (B,) in 0..1.

    The mean, over the mask's pixels, of the precision among all pixels at least as high; a map without a
    preference gets the mask's share of the picture. Raises as `iou`. Source: as scikit-learn defines it.

    >>> nib.average_precision(ex.image, masks).mean()
    """
    check_masks(maps, masks)
    return torch.cat([precision(m.flatten(1), inside.flatten(1))
                      for m, inside in zip(maps.split(batch_size), masks.split(batch_size))])


def precision(scores: Tensor, inside: Tensor) -> Tensor:
    scores, order = scores.sort(1, descending=True)  # (B, N)
    found = inside.gather(1, order)
    place = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
    final = F.pad(scores[:, 1:] != scores[:, :-1], (0, 1), value=True)  # the last of those that are equal
    last = torch.where(final, place, scores.shape[1]).flip(1).cummin(1).values.flip(1)  # its place, for each
    reached = found.cumsum(1).gather(1, last).double() / (last + 1)
    return ((reached * found).sum(1) / found.sum(1)).float()


def localize(clip: Clip, phrases: pd.DataFrame, method: str, *, broken: str = "raise", **options) -> pd.DataFrame:
    """Explain each (image, phrase) and score its image map: a row per phrase.

    Masks are bool, at their picture's size or already at the model's. broken: "raise", or "skip" to leave out, with
    a warning, the phrases of whose mask the model's crop leaves nothing; the index says which rows of `phrases` are
    kept, counted from 0. options: those of `explain` but `only`. Columns scene, where the phrases have one (phrases
    of a scene share a picture, so they are no independent sample); pointing, iou (at the mask's own area) and
    average_precision of the map, mass of the patch scores. Raises ValueError, before anything is explained, for a
    mask of another size or type, and for phrases of which nothing is left.

    >>> phrases = nib.phrase_pairs(nib.load_pairs("shapes", n=50))
    >>> nib.localize(nib.load_clip("mini"), phrases, "nib", layer=9).mean()
    """
    need_columns(phrases, "image", "phrase", "mask")
    check_choice("broken", broken, ("raise", "skip"))
    check_request(clip, method, {})
    if "only" in options:
        raise ValueError(f"only is {options['only']!r}, but localize always explains the image alone; leave it out.")
    if not len(phrases):
        raise ValueError("there are no phrases to locate; load more pairs, or scenes of more objects.")
    masks = seen_masks(phrases.assign(caption=phrases["phrase"]), clip.preprocess)
    kept = left(masks, list(phrases["phrase"]), broken)
    phrases, masks = phrases.iloc[kept], masks[kept]
    ex = explain(clip, list(phrases["image"]), list(phrases["phrase"]), method, only="image", **options)
    scene = {"scene": phrases["scene"].to_numpy()} if "scene" in phrases else {}
    return pd.DataFrame(scene | located(ex, masks), index=kept)


def located(ex: Explanation, masks: Tensor) -> dict[str, np.ndarray]:
    """The four scores of `localize` for image maps that are there already, on masks (B, H, W) bool, (B,) each."""
    found = {"pointing": pointing(ex.image, masks), "mass": mass(ex.image_scores, masks), "iou": iou(ex.image, masks),
             "average_precision": average_precision(ex.image, masks)}
    return {name: values.numpy() for name, values in found.items()}
