"""Grad-CAM as its paper defines it: channels weighted by their mean gradient."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.gradient import stream_gradient
from .shared.layers import resolve


@method(title="Grad-CAM, pooled", group="canonical", source="Selvaraju et al., ICCV 2017", forwards=1.4, gradients=True)
def gradcam_pooled(tower: Tower, reading: Reading, target: Tensor, *, layer: int | None = None) -> Tensor:
    """`relu(sum_c w_c h_tc)` with `w_c` the mean over patches (or the caption's tokens) of the gradient: (B, T) >= 0.

    h is the stream entering block `layer` (h_10 of 12 by default). layer: 0..L-1; ValueError otherwise.
    Source: Grad-CAM, Selvaraju et al., ICCV 2017, equations 1 and 2, with tokens for positions.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = gradcam_pooled(clip.image, reading, clip.encode_text("a cat"))
    """
    layer = resolve(tower, layer, 10 / 12)
    gradient, stream = stream_gradient(tower, reading, target, layer).float(), reading.stream(layer).float()
    inside = reading.inside.float()[..., None]  # (B, T, 1)
    weights = (gradient * inside).sum(1) / inside.sum(1)  # (B, D)
    return ((stream * weights[:, None]).sum(-1) * inside[..., 0]).relu()
