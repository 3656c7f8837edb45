"""Chefer's relevance as the papers' code has it: of the last block alone."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.last_attention import last_attention


@method(title="Chefer", group="published", source="as released with NIB, ICLR 2025", forwards=1.25, gradients=True,
        attention=True)
def chefer(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Mean over heads of `relu(gradient * attention)`, the pooled row of the last block: scores (B, T) >= 0.

    `chefer_full` carries the relevance through every block, as its paper does.
    Source: the comparison of NIB, ICLR 2025, as released.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = chefer(clip.image, reading, clip.encode_text("a cat"))
    """
    attention, gradient = last_attention(tower, reading, target)
    return (gradient * attention).relu().mean(1)
