"""The parts of a pair in the order of a map: patches of the model's grid, or words; what ties stands as chance says."""
from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.tower import Tower
from ..maps.explanation import Explanation


def patch_scores(ex: Explanation, tower: Tower) -> list[Tensor]:
    """A method's scores of the patches, (gh gw,) each: as it gave them, or the mean of its pixels' on each patch."""
    scores = ex.image_scores
    return list((scores if scores.shape[1:] == tower.grid else F.adaptive_avg_pool2d(scores, tower.grid)).flatten(1))


def word_scores(ex: Explanation) -> list[Tensor]:
    """A method's scores of the words between SOS and EOS, (T_b - 2,) each."""
    return [scores[1:-1] for scores in ex.text_scores]


def chances(ex: Explanation) -> list[int]:
    """A seed for each pair that follows from its picture and caption alone, however pairs are ordered or batched."""
    content = lambda x: x.cpu().contiguous().view(torch.uint8).numpy()  # NumPy has no bfloat16
    return [crc32(content(ids), crc32(content(x))) for x, ids in zip(ex.pixels, ex.ids)]


def ranks(scores: Sequence[Tensor], seeds: Sequence[int], draw: int = 0) -> Tensor:
    """Scores (N_b,) -> ranks (B, N) from 0, the best; what is padded is infinite.

    Ties fall by chance of (seed, draw), with a seed for each: so that a map without a preference means all orders and
    not one of them.
    """
    found = torch.full((len(scores), max(map(len, scores))), torch.inf)
    for b, (s, seed) in enumerate(zip(scores, seeds)):
        order = np.lexsort((np.random.default_rng([seed, draw]).permutation(len(s)), -s.float().cpu().numpy()))
        found[b, torch.from_numpy(order)] = torch.arange(len(s)).float()
    return found
