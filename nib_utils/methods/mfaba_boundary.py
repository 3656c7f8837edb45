"""MFABA with the stop that its paper states: walk until the decision changes."""
from __future__ import annotations

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.walk import walk


@method(title="MFABA to the boundary", group="canonical", source="Zhu et al., AAAI 2024", forwards=66, gradients=True)
def mfaba_boundary(tower: Tower, reading: Reading, target: Tensor, *, stop: float = 0.0, steps: int = 30,
                   size: float = 0.01) -> Tensor:
    """MFABA's sum, walked until the pair no longer matches: scores (B, T) >= 0.

    The paper walks until the classifier's label changes. A pair has no label; its decision is taken to be
    `cosine > stop`, so a sample stops once its cosine is `stop` or less, or after `steps`. size: of one step, in
    units of the embedding. The authors' code walks the pixels of a classifier, not tokens, and lets each step's
    gradient add to those before it. Raises ValueError unless steps and size are positive and stop lies in -1..1.
    Source: MFABA, Zhu et al., AAAI 2024; the decision of a pair is our own.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = mfaba_boundary(clip.image, reading, clip.encode_text("a cat"), stop=0.1)
    """
    for name, value in (("steps", steps), ("size", size)):
        if value <= 0:
            raise ValueError(f"mfaba_boundary: {name} is {value}; it takes more than 0.")
    if not -1 <= stop <= 1:
        raise ValueError(f"mfaba_boundary: stop is {stop}; a cosine lies in -1..1.")
    return walk(tower, reading, target, size, steps, stop)
