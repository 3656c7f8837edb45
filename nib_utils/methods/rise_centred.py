"""RISE with half of the picture open and the mean taken away, so that a map does not just show the masks."""
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .rise import rise


@method(title="RISE, centred", group="canonical", source="Petsiuk et al., BMVC 2018", forwards=5900, noise=True,
        signed=True, pixels=True)
def rise_centred(tower: Tower, reading: Reading, target: Tensor, *, masks: int | None = None, p: float = 0.5,
                 cells: int = 7, seed: int | Sequence[int] = 0) -> Tensor:
    """`sum_i (cos_i - mean cos) M_i / (N p)`: RISE's estimate of `E[cos | M = 1]`, less what every mask shares.

    Cosines lie close together, so that without the mean a map shows where the masks happened to be open. masks: by
    default 6000 for images and 200 for captions; p = 0.5 and 7 cells as in its paper; seed: pair b has seed + b,
    or one per pair. Returns signed scores of pixels (B, H, W), or of words (B, T). Raises ValueError for a bad option.
    Source: Petsiuk, Das and Saenko, BMVC 2018, equations 4 to 6; the centring is the usual control variate.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = rise_centred(clip.image, reading, clip.encode_text("a cat"), masks=1000)
    """
    return rise(tower, reading, target, masks=masks, p=p, cells=cells, centred=True, seed=seed)
