"""SaliencyMap as the papers' code has it: the gradient by the last attention, whatever its sign."""
from __future__ import annotations

from torch import Tensor

from ..reading import Tokens
from ..towers import Tower
from .last_attention import last_attention
from .record import method


@method(title="SaliencyMap", group="published", source="as released with NIB, ICLR 2025", forwards=1.25,
        gradients=True, attention=True)
def saliency(tower: Tower, tokens: Tokens, target: Tensor) -> Tensor:
    """Mean over heads of `|d similarity / d attention|`, the pooled row of the last block: scores (B, T) >= 0.

    `input_gradient` is the saliency map of its own paper, on pixels and embeddings.
    Source: the comparison of NIB, ICLR 2025, as released.

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = saliency(clip.image, tokens, clip.encode_text("a cat"))
    """
    return last_attention(tower, tokens, target)[1].abs().mean(1)
