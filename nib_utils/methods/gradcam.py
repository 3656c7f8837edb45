"""Grad-CAM as the papers' code has it: gradient times stream, element by element."""
from __future__ import annotations

from torch import Tensor

from ..reading import Tokens
from ..towers import Tower
from .gradient import only_pooled, stream_gradient
from .layers import resolve
from .record import method


@method(title="Grad-CAM", group="published", source="as released with NIB, ICLR 2025", forwards=1.4, gradients=True)
def gradcam(tower: Tower, tokens: Tokens, target: Tensor, *, layer: int | None = None) -> Tensor:
    """`relu(sum_c grad * stream)` of the stream leaving block index 9 (h_10 of 12): scores (B, T) >= 0.

    No channel is weighted by a mean over the tokens, so this is rectified input x gradient on a stream;
    `gradcam_pooled` is what the Grad-CAM paper defines. layer: 0..L-1, where h_layer enters; ValueError otherwise.
    Source: the comparison of NIB, ICLR 2025, as released (its scale exp(logit_scale) leaves the map as it is).

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = gradcam(clip.image, tokens, clip.encode_text("a cat"))
    """
    layer = resolve(tower, layer, 10 / 12)
    products = (stream_gradient(tower, tokens, target, layer) * tokens.stream(layer)).float().sum(-1)
    return only_pooled(products, tower, tokens, layer).relu()
