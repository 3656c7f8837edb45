"""Input x gradient: the first-order effect of each pixel, or word."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.entrance import input_gradients


@method(title="Input x gradient", group="canonical", source="Shrikumar et al., 2017", forwards=2.7, gradients=True,
        signed=True, pixels=True)
def input_x_gradient(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """`sum_c x_c d cosine / d x_c`: signed scores of pixels (B, H, W), or of words (B, T).

    x are normalised pixels, so that the mean colour counts for nothing, or rows of the vocabulary.
    Source: Shrikumar, Greenside and Kundaje, 2017.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = input_x_gradient(clip.image, reading, clip.encode_text("a cat"))
    """
    return input_gradients(tower, reading, target, [1.0], lambda x, g: (x * g).sum(-1))
