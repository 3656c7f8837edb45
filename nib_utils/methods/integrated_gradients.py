"""Integrated gradients from the mean colour to the picture, or from nothing to the words."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.entrance import input_gradients


@method(title="Integrated gradients", group="canonical", source="Sundararajan et al., ICML 2017", forwards=50,
        gradients=True, signed=True, pixels=True)
def integrated_gradients(tower: Tower, reading: Reading, target: Tensor, *, steps: int = 20) -> Tensor:
    """`sum_c x_c` times the mean gradient along `k x`, k = 0..1: signed scores of pixels (B, H, W), or words (B, T).

    The baseline is zero: the mean colour of a picture, the positions alone of a caption. steps >= 1, the middle
    Riemann rule; ValueError otherwise. Source: Sundararajan, Taly and Yan, ICML 2017, equation 3.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = integrated_gradients(clip.image, reading, clip.encode_text("a cat"), steps=50)
    """
    if steps < 1:
        raise ValueError(f"integrated_gradients: steps is {steps}; it takes at least 1.")
    points = [(k + 0.5) / steps for k in range(steps)]
    return input_gradients(tower, reading, target, points, lambda x, g: (x * g).sum(-1))
