"""SaliencyMap as the papers' code has it: the gradient by the last attention, whatever its sign."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.last_attention import last_attention


@method(title="SaliencyMap", group="published", source="as released with NIB, ICLR 2025", forwards=1.25,
        gradients=True, attention=True)
def saliency(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Mean over heads of `|d similarity / d attention|`, the pooled row of the last block: scores (B, T) >= 0.

    `input_gradient` is the saliency map of its own paper, on pixels and embeddings.
    Source: the comparison of NIB, ICLR 2025, as released.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = saliency(clip.image, reading, clip.encode_text("a cat"))
    """
    return last_attention(tower, reading, target)[1].abs().mean(1)
