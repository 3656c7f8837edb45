"""Grad-CAM as the papers' code has it: gradient times stream, element by element."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.gradient import only_pooled, stream_gradient
from .shared.layers import resolve


@method(title="Grad-CAM", group="published", source="as released with NIB, ICLR 2025", forwards=1.4, gradients=True)
def gradcam(tower: Tower, reading: Reading, target: Tensor, *, layer: int | None = None) -> Tensor:
    """`relu(sum_c grad * stream)` of the stream leaving block index 9 (h_10 of 12): scores (B, T) >= 0.

    No channel is weighted by a mean over the tokens, so this is rectified input x gradient on a stream;
    `gradcam_pooled` is what the Grad-CAM paper defines. layer: 0..L-1, where h_layer enters; ValueError otherwise.
    Source: the comparison of NIB, ICLR 2025, as released (its scale exp(logit_scale) leaves the map as it is).

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = gradcam(clip.image, reading, clip.encode_text("a cat"))
    """
    layer = resolve(tower, layer, 10 / 12)
    gradient, stream = stream_gradient(tower, reading, target, layer), reading.stream(layer)
    products = (gradient.float() * stream.float()).sum(-1)  # rounded to half precision, what cancels would not
    return only_pooled(products, tower, reading, layer).relu()
