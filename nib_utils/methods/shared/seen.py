"""The cosine with only some of an input's parts there, its patches or its words, and scores put at their tokens."""
from __future__ import annotations

import torch
from torch import Tensor

from ...clip.perturb import Perturbed
from ...clip.similarity import cosine
from ...clip.tower import Reading, Tower


def seen(tower: Tower, reading: Reading, target: Tensor, keep: Tensor) -> Tensor:
    """Cosines (B, K) of every input with its target where only the parts `keep` (K, parts) bool are there.

    A patch that is gone shows the mean colour, a word loses its row of the vocabulary and keeps its place. Inputs that
    are equal are run once, whatever they are compared with.
    """
    inputs = Perturbed(tower, reading.own.x)
    rows = torch.arange(len(reading.own)).repeat_interleave(len(keep))
    features = inputs.feature(keep.repeat(len(reading.own), 1), rows).unflatten(0, (-1, len(keep)))  # (U, K, E)
    return cosine(features[reading.which], target[:, None])


def parts_of(tower: Tower, reading: Reading) -> int:
    """How many patches an image has, or words the longest caption between SOS and EOS."""
    return reading.x.shape[1] - 2 if tower.grid is None else tower.grid[0] * tower.grid[1]


def at_tokens(tower: Tower, reading: Reading, scores: Tensor) -> Tensor:
    """Scores of parts (B, parts) as scores of tokens (B, T), 0 for CLS, SOS, EOS and padding."""
    first, last = (1, 1) if tower.grid is None else (reading.stream(0).shape[1] - scores.shape[1], 0)
    tokens = torch.nn.functional.pad(scores.float(), (first, last))
    place = torch.arange(tokens.shape[1], device=tokens.device)
    return tokens.where(place < reading.lengths[:, None] - last, 0)
