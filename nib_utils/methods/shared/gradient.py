"""The gradient of the similarity by one layer's stream, which several methods read."""
from __future__ import annotations

import torch
from torch import Tensor

from ...clip.similarity import cosine
from ...clip.tower import Reading, Tower


def stream_gradient(tower: Tower, reading: Reading, target: Tensor, layer: int) -> Tensor:
    """d cosine / d h_layer, (B, T, D)."""
    parts, features = [], []
    for h, at, goal in reading.chunks(reading.stream(layer), target):
        h = h.clone().requires_grad_()
        with torch.enable_grad():
            features.append(tower.finish(h, layer, at))
            similarity = cosine(features[-1], goal)
        parts.append(torch.autograd.grad(similarity.sum(), h)[0])
    reading.feature = torch.cat(features).detach()
    return torch.cat(parts)


def only_pooled(scores: Tensor, tower: Tower, reading: Reading, layer: int) -> Tensor:
    """Sums over channels of gradient times stream, (B, T), without the rounding noise they become at the last layer.

    There a token other than the pooled one acts through a norm, which reads only its direction, so that its sum
    is exactly zero; what floating point leaves of it is no picture of anything.
    """
    if layer < tower.depth - 1:
        return scores
    pooled = torch.arange(scores.shape[1], device=scores.device) == reading.at[:, None]
    return scores * pooled


def require_grad(x: Tensor) -> Tensor:
    """The same tensor, part of a graph even where nothing before it is."""
    return x if x.requires_grad else x.requires_grad_()
