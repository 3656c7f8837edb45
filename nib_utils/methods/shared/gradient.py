"""The gradient of the similarity by one layer's stream, which several methods read."""
from __future__ import annotations

import torch
from torch import Tensor

from ...clip.tower import Reading, Tower


def stream_gradient(tower: Tower, reading: Reading, target: Tensor, layer: int) -> Tensor:
    """d cosine / d h_layer, (B, T, D), from float32 on: in half precision, words would change places."""
    end, found, features = tower.wide(layer), [], []
    for part in reading.parts(reading.own.stream(layer), target):
        h = part.start.to(torch.promote_types(tower.dtype, torch.float32), copy=True).requires_grad_()
        with torch.enable_grad():
            features.append(end.finish(h, layer, part.at))
        found.append((part, part.gradient(features[-1], h)))
    reading.own.feature = torch.cat(features).detach().to(reading.tower.dtype)
    return reading.in_order(found)


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
