"""A tower's input as something to differentiate by: an image's pixels, a caption's embeddings."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...clip.similarity import cosine
from ...clip.tower import Reading, Tower


def entrance(tower: Tower, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(leaf, how it becomes h_0): pixels (B, 3, H, W), or rows of the vocabulary (B, T, D) before positions."""
    if tower.grid is not None:
        return x, tower.embed
    positions = tower.parts["positions"][: x.shape[1]]
    return tower.parts["vocabulary"][x].to(tower.dtype), lambda e: tower.pre((e + positions).to(e.dtype))


def input_gradients(tower: Tower, reading: Reading, target: Tensor, points: list[float]) -> Iterator[tuple]:
    """(leaf, mean over `points` of d cosine / d input at `point * leaf`) per chunk of samples, channels last."""
    features = []
    for x, at, goal in reading.chunks(reading.x, target):
        leaf, enter = entrance(tower, x)
        total = torch.zeros_like(leaf)
        for point in points:
            scaled = (point * leaf).requires_grad_()
            with torch.enable_grad():
                feature = tower.finish(enter(scaled), 0, at)
                similarity = cosine(feature, goal)
            total += torch.autograd.grad(similarity.sum(), scaled)[0]
        features.append(feature.detach())
        channels = 1 if tower.grid is not None else -1
        yield leaf.movedim(channels, -1).float(), total.movedim(channels, -1).float() / len(points)
    if points[-1] == 1:  # the input itself
        reading.feature = torch.cat(features)
