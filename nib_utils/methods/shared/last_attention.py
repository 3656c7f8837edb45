"""The last block's attention of the pooled row and the similarity's gradient by it, which several methods read."""
from __future__ import annotations

import torch
from torch import Tensor

from ...clip.tower import Reading, Tower, pair_gradients


def last_attention(tower: Tower, reading: Reading, target: Tensor) -> tuple[Tensor, Tensor]:
    """Row CLS of an image, EOS of a caption: (attention, d cosine / d attention), each (B, heads, T)."""
    own, block = reading.own, tower.blocks[-1]
    h, at = own.stream(tower.depth - 1), own.at
    x = block.norm1(h)
    attention = block.row_attention(x, at).requires_grad_()
    with torch.enable_grad():
        feature = tower.head(block.row_output(h, at, block.row_mix(attention, x)))
    gradient = pair_gradients(feature, attention, reading.which, target)
    return attention.detach().float()[reading.which], gradient.float()
