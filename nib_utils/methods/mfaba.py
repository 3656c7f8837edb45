"""MFABA as the papers' code has it: ten signed gradient steps away from the match."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.walk import walk


@method(title="MFABA", group="published", source="as released with NIB, ICLR 2025", forwards=24, gradients=True)
def mfaba(tower: Tower, reading: Reading, target: Tensor, *, steps: int = 10, size: float = 0.01) -> Tensor:
    """`-sum_j (x_{j+1} - x_j) g_j` along `x_{j+1} = x_j - size sign(g_j)`, g_j the gradient: scores (B, T) >= 0.

    x are the tokens before the first norm of an image, the vocabulary rows of a caption (a token that occurs
    twice is one row). Each term is `size |g_j|`, so no score is negative, though the method is called signed.
    steps >= 1; size > 0, in units of the embedding; ValueError otherwise. `mfaba_boundary` walks until the match
    is gone. Source: Zhu et al., AAAI 2024, as released with NIB, ICLR 2025.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = mfaba(clip.image, reading, clip.encode_text("a cat"), steps=10)
    """
    for name, value in (("steps", steps), ("size", size)):
        if value <= 0:
            raise ValueError(f"mfaba: {name} is {value}; it takes more than 0.")
    return walk(tower, reading, target, size, steps)
