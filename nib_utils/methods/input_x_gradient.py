"""Input x gradient: the first-order effect of each pixel, or word."""
from __future__ import annotations

import torch
from torch import Tensor

from ..reading import Tokens
from ..towers import Tower
from .entrance import input_gradients
from .record import method


@method(title="Input x gradient", group="canonical", source="Shrikumar et al., 2017", forwards=2.7, gradients=True,
        signed=True, pixels=True)
def input_x_gradient(tower: Tower, tokens: Tokens, target: Tensor) -> Tensor:
    """`sum_c x_c d cosine / d x_c`: signed scores of pixels (B, H, W), or of words (B, T).

    x are normalised pixels, so that the mean colour counts for nothing, or rows of the vocabulary.
    Source: Shrikumar, Greenside and Kundaje, 2017.

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = input_x_gradient(clip.image, tokens, clip.encode_text("a cat"))
    """
    return torch.cat([(x * g).sum(-1) for x, g in input_gradients(tower, tokens, target, [1.0])])
