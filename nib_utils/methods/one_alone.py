"""One part alone: by how much does the cosine rise when one patch, or one word, comes where nothing was?"""
from __future__ import annotations

import torch
from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.seen import at_tokens, parts_of, seen


@method(title="One part alone", group="reference", source="first step of insertion", forwards=60, signed=True)
def one_alone(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """`cos(i alone) - cos(nothing)` for every part i: signed scores (B, T), 0 for CLS, SOS and EOS.

    Nothing is a picture of the mean colour, or a caption of empty words between SOS and EOS. What matters only
    together with another part is not seen. Source: the first step of insertion, Petsiuk, Das and Saenko, BMVC 2018;
    the first term of a Shapley value.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = one_alone(clip.image, reading, clip.encode_text("a cat"))
    """
    one = torch.eye(parts_of(tower, reading), dtype=torch.bool)
    cosines = seen(tower, reading, target, torch.cat([one, torch.zeros_like(one[:1])]))  # (B, parts + 1)
    return at_tokens(tower, reading, cosines[:, :-1] - cosines[:, -1:])
