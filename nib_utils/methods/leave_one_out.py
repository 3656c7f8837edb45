"""Leave one out: by how much does the cosine fall when one patch, or one word, goes and all others stay?"""
from __future__ import annotations

import torch
from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.seen import at_tokens, parts_of, seen


@method(title="Leave one out", group="reference", source="Zeiler and Fergus, ECCV 2014", forwards=60, signed=True)
def leave_one_out(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """`cos(all) - cos(all but i)` for every part i: signed scores (B, T), 0 for CLS, SOS and EOS.

    A patch that goes shows the mean colour; a word that goes loses its row of the vocabulary and keeps its place.
    Two parts that say the same hide each other: neither is missed. Source: Zeiler and Fergus, ECCV 2014, with a patch
    as their grey square; of words Li, Monroe and Jurafsky, 2016.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = leave_one_out(clip.image, reading, clip.encode_text("a cat"))
    """
    one = torch.eye(parts_of(tower, reading), dtype=torch.bool)
    cosines = seen(tower, reading, target, torch.cat([~one, torch.ones_like(one[:1])]))  # (B, parts + 1)
    return at_tokens(tower, reading, cosines[:, -1:] - cosines[:, :-1])
