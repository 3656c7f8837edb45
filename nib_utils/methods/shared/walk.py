"""Where MFABA walks: the tokens of an image, or the rows of the vocabulary that a caption uses."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...clip.similarity import cosine
from ...clip.tower import Reading, Tower
from .entrance import entrance


def start(tower: Tower, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """(tokens (B, T, D), how they become h_0): of an image before the first norm, of a caption before positions."""
    if tower.grid is None:
        return entrance(tower, x)
    with torch.no_grad():
        return tower.tokens(x), tower.pre


def walk(tower: Tower, reading: Reading, target: Tensor, size: float, steps: int, stop: float | None = None) -> Tensor:
    """Sum over steps of `size |gradient|` along `x <- x - size sign(gradient)`, over channels too: (B, T) >= 0.

    stop: a sample goes no further once its cosine has fallen to this; None: all take every step.
    """
    parts, features = [], []
    for x, at, goal in zip(*(each.split(reading.rows) for each in (reading.x, reading.at, target))):
        position, enter = start(tower, x)
        same = None if tower.grid else (x[:, :, None] == x[:, None]).to(position.dtype)  # (B, T, T)
        scores = torch.zeros(position.shape[:2], device=x.device)
        for step in range(steps):
            position.requires_grad_()
            with torch.enable_grad():
                feature = tower.finish(enter(position), 0, at)
                similarity = cosine(feature, goal)
            if step == 0:  # nothing has moved yet
                features.append(feature)
            gradient = torch.autograd.grad(similarity.sum(), position)[0]
            if stop is not None:
                gradient = gradient * (similarity > stop)[:, None, None].to(gradient.dtype)
                if not gradient.any():
                    break
            gradient = gradient if same is None else same @ gradient  # one row, used twice, has one gradient
            scores += size * gradient.float().abs().sum(-1)
            position = position.detach() - size * gradient.sign()
        parts.append(scores)
    reading.feature = torch.cat(features).detach()
    return torch.cat(parts)
