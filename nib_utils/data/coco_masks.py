"""Masks of objects in photographs: drawn from COCO's polygons and run lengths, and cut as a model's pictures are."""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np


def draw_mask(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """One COCO segmentation as a mask (H, W) bool.

    segmentation: polygons [[x0, y0, x1, y1, ...], ...] in pixels, whose union is taken, a pixel belonging to a
    polygon that contains its centre (even-odd rule); or run lengths {"size": [H, W], "counts": ...}, a list or
    COCO's compressed string. Raises ValueError with what is wrong with it.

    >>> draw_mask([[0, 0, 2, 0, 2, 1, 0, 1]], 2, 3).astype(int).tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    check_segmentation(segmentation, height, width)
    if isinstance(segmentation, dict):
        runs = run_lengths(segmentation["counts"])
        values = np.arange(len(runs)) % 2 == 1  # the first run is of background
        return np.repeat(values, runs).reshape(width, height).T  # runs go down the columns
    mask = np.zeros((height, width), bool)
    for polygon in segmentation:
        mask |= fill(np.asarray(polygon, float).reshape(-1, 2), height, width)
    return mask


def check_segmentation(segmentation: list | dict, height: int, width: int) -> None:
    """Refuse what cannot be drawn."""
    if isinstance(segmentation, dict):
        if list(segmentation.get("size", ())) != [height, width]:
            raise ValueError(f"its run lengths are of size {segmentation.get('size')}, the image of {[height, width]}")
        runs = run_lengths(segmentation.get("counts"))
        if sum(runs) != height * width or min(runs, default=0) < 0:
            raise ValueError(f"its run lengths cover {sum(runs)} of {height * width} pixels")
        return
    whole = isinstance(segmentation, list) and segmentation and all(
        isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0
        and all(isinstance(v, Real) and np.isfinite(v) for v in p) for p in segmentation)
    if not whole:
        raise ValueError("it is neither polygons of at least three points nor run lengths")


def fill(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels (H, W) whose centres lie in a polygon (P, 2): each edge flips all that is right of it in its rows."""
    x, y = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    centres = np.arange(height) + 0.5
    edge, row = np.nonzero((y[:, None] <= centres) != (y1[:, None] <= centres))  # (P, H): edges that cross a row
    at = x[edge] + (centres[row] - y[edge]) * (x1[edge] - x[edge]) / (y1[edge] - y[edge])
    flips = np.zeros((height, width + 1), int)
    np.add.at(flips, (row, np.clip(np.ceil(at - 0.5), 0, width).astype(int)), 1)
    return flips[:, :width].cumsum(1) % 2 == 1


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
