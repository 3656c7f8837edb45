"""The saliency map of its own paper: how strongly each pixel, or word, moves the similarity."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.entrance import input_gradients


@method(title="Input gradient", group="canonical", source="Simonyan et al., 2014", forwards=2.7, gradients=True,
        pixels=True)
def input_gradient(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """The largest `|d cosine / d input|` over channels: scores >= 0 of pixels (B, H, W), or of words (B, T).

    A word's input is its row of the vocabulary. Source: Simonyan, Vedaldi and Zisserman, 2014, section 3.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = input_gradient(clip.image, reading, clip.encode_text("a cat"))
    """
    return input_gradients(tower, reading, target, [1.0], lambda x, g: g.abs().amax(-1))
