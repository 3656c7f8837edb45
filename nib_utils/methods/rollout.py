"""Attention rollout: how much of each token attention alone carries to the pooled one."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method


@method(title="Rollout", group="rival", source="Abnar and Zuidema, ACL 2020", forwards=1.5, attention=True)
@torch.no_grad()
def rollout(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Row of the pooled token of `A_L ... A_1`, `A_l = (mean_heads attention + I) / 2`: scores (B, T) >= 0, sum 1.

    It does not look at the target: the same map for every caption, and so a control for the others.
    Source: Abnar and Zuidema, ACL 2020, section 3.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = rollout(clip.image, reading, clip.encode_text("a cat"))
    """
    own, last = reading.own, tower.blocks[-1]
    streams = [own.stream(layer) for layer in range(tower.depth)]
    row = last.row_attention(last.norm1(streams[-1]), own.at).float().mean(1)  # (U, T)
    flow = (row + F.one_hot(own.at, row.shape[1])) / 2
    for block, h in zip(reversed(tower.blocks[:-1]), reversed(streams[:-1])):
        attention = torch.cat([block.attention(block.norm1(x)).float().mean(1) for x in h.split(reading.rows)])
        flow = (flow + (flow[:, None] @ attention)[:, 0]) / 2
    return flow[reading.which]
