"""FastIG as the papers' code has it: one step of integrated gradients on the last attention."""
from __future__ import annotations

from torch import Tensor

from ..reading import Tokens
from ..towers import Tower
from .last_attention import last_attention
from .record import method


@method(title="FastIG", group="published", source="as released with NIB, ICLR 2025", forwards=1.25, gradients=True,
        attention=True, signed=True)
def fast_ig(tower: Tower, tokens: Tokens, target: Tensor) -> Tensor:
    """Mean over heads of `gradient * attention`, the pooled row of the last block: signed scores (B, T).

    Chefer's without its clamp; `input_x_gradient` is the same idea on pixels and embeddings.
    Source: the comparison of NIB, ICLR 2025, as released.

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = fast_ig(clip.image, tokens, clip.encode_text("a cat"))
    """
    attention, gradient = last_attention(tower, tokens, target)
    return (gradient * attention).mean(1)
