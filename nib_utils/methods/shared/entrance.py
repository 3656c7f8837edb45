"""A tower's input as something to differentiate by: an image's pixels, a caption's embeddings."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...clip.tower import Reading, Tower


def entrance(tower: Tower, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(leaf, how it becomes h_0): pixels (B, 3, H, W), or rows of the vocabulary (B, T, D) before positions."""
    if tower.grid is not None:
        return x, tower.embed
    positions = tower.parts["positions"][: x.shape[1]]
    return tower.parts["vocabulary"][x].to(tower.dtype), lambda e: tower.pre((e + positions).to(e.dtype))


def input_gradients(tower: Tower, reading: Reading, target: Tensor, points: list[float],
                    score: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """score(leaf, mean over `points` of d cosine / d input at `point * leaf`), channels last: (B, H, W) or (B, T)."""
    found, features = [], []
    channels = 1 if tower.grid is not None else -1
    for part in reading.parts(reading.own.x, target):
        leaf, enter = entrance(tower, part.start)
        total = torch.zeros_like(leaf[part.row])
        for point in points:
            scaled = (point * leaf).requires_grad_()
            with torch.enable_grad():
                feature = tower.finish(enter(scaled), 0, part.at)
            total += part.gradient(feature, scaled)
        features.append(feature.detach())
        mean = total.movedim(channels, -1).float() / len(points)
        found.append((part, score(leaf[part.row].movedim(channels, -1).float(), mean)))
    if points[-1] == 1:  # the input itself
        reading.own.feature = torch.cat(features)
    return reading.in_order(found)
