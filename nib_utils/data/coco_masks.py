"""Masks of objects in photographs, from COCO's polygons and run lengths: checked here, drawn by COCO's own tools.

The checks come first because the tools, in C, read on behind a string that is cut off, and leave what too few runs do
not cover as it lay in memory.
"""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

from ..common.packages import need

LONGEST = 65535  # pixels of a side that are believed, and how far a polygon may reach


def draw_masks(things: Sequence[Sequence[list | dict]], height: int, width: int) -> np.ndarray:
    """Masks (len(things), H, W) bool, each the union of its segmentations, as pycocotools draws them.

    A segmentation: polygons [[x0, y0, x1, y1, ...], ...] in pixels, whose union is taken; or run lengths
    {"size": [H, W], "counts": ...}, a list or COCO's compressed string. Raises ValueError with what is wrong with it,
    ImportError without pycocotools.

    >>> draw_masks([[[[0, 0, 2, 0, 2, 1, 0, 1]]]], 2, 3).astype(int).tolist()
    [[[1, 1, 0], [0, 0, 0]]]
    """
    tools = need("pycocotools.mask", "pycocotools")
    masks = np.zeros((len(things), height, width), bool)
    for mask, segmentations in zip(masks, things):
        parts = []
        for segmentation in segmentations:
            check_segmentation(segmentation, height, width)
            if isinstance(segmentation, dict):
                segmentation = {"size": [height, width], "counts": run_lengths(segmentation["counts"])}
            drawn = tools.frPyObjects(segmentation, height, width)
            parts += drawn if isinstance(drawn, list) else [drawn]
        mask[:] = tools.decode(tools.merge(parts))
    return masks


def check_segmentation(segmentation: list | dict, height: int, width: int) -> None:
    """Refuse what cannot be drawn."""
    if isinstance(segmentation, dict):
        if segmentation.get("size") != [height, width]:
            raise ValueError(f"its run lengths are of size {segmentation.get('size')}, the image of {[height, width]}")
        runs = run_lengths(segmentation.get("counts"))
        if sum(runs) != height * width or min(runs, default=0) < 0:
            raise ValueError(f"its run lengths cover {sum(runs)} of {height * width} pixels")
        return
    if not isinstance(segmentation, list) or not segmentation or not all(
            isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 and all(map(is_place, p)) for p in segmentation):
        raise ValueError("it is neither polygons of at least three points nor run lengths")


def is_place(value) -> bool:
    """Whether something is a number that may be a pixel's coordinate."""
    return isinstance(value, Real) and abs(value) <= LONGEST


def run_lengths(counts: str | bytes | Sequence[int] | None) -> list[int]:
    """COCO's run lengths from a list, or from its string: five bits a character, lowest first, and a sixth that
    says whether the number goes on; from the fourth number on, the difference from the one two before."""
    if isinstance(counts, (list, tuple)) and all(isinstance(v, Integral) for v in counts):
        return list(counts)
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    if not isinstance(counts, str) or not all(48 <= ord(c) < 112 for c in counts):
        raise ValueError("its counts are neither whole numbers nor COCO's string")
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # the highest of the five bits of the last character is the sign
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("its string of counts ends within a number")
    return runs
