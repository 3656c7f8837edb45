"""FastIG as the papers' code has it: one step of integrated gradients on the last attention."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.last_attention import last_attention


@method(title="FastIG", group="published", source="as released with NIB, ICLR 2025", forwards=1.25, gradients=True,
        attention=True, signed=True)
def fast_ig(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Mean over heads of `gradient * attention`, the pooled row of the last block: signed scores (B, T).

    Chefer's without its clamp; `input_x_gradient` is the same idea on pixels and embeddings.
    Source: the comparison of NIB, ICLR 2025, as released.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = fast_ig(clip.image, reading, clip.encode_text("a cat"))
    """
    attention, gradient = last_attention(tower, reading, target)
    return (gradient * attention).mean(1)
