"""Chefer's relevance as the papers' code has it: of the last block alone."""
from __future__ import annotations

from torch import Tensor

from ..reading import Tokens
from ..towers import Tower
from .last_attention import last_attention
from .record import method


@method(title="Chefer", group="published", source="as released with NIB, ICLR 2025", forwards=1.25, gradients=True,
        attention=True)
def chefer(tower: Tower, tokens: Tokens, target: Tensor) -> Tensor:
    """Mean over heads of `relu(gradient * attention)`, the pooled row of the last block: scores (B, T) >= 0.

    `chefer_full` carries the relevance through every block, as its paper does.
    Source: the comparison of NIB, ICLR 2025, as released.

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = chefer(clip.image, tokens, clip.encode_text("a cat"))
    """
    attention, gradient = last_attention(tower, tokens, target)
    return (gradient * attention).relu().mean(1)
