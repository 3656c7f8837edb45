"""The last block's attention of the pooled row and the similarity's gradient by it, which several methods read."""
from __future__ import annotations

import torch
from torch import Tensor

from ...clip.similarity import cosine
from ...clip.tower import Reading, Tower


def last_attention(tower: Tower, reading: Reading, target: Tensor) -> tuple[Tensor, Tensor]:
    """Row CLS of an image, EOS of a caption: (attention, d cosine / d attention), each (B, heads, T)."""
    h, at, block = reading.streams[-1], reading.at, tower.blocks[-1]
    x = block.norm1(h)
    attention = block.row_attention(x, at).requires_grad_()
    with torch.enable_grad():
        similarity = cosine(tower.head(block.row_output(h, at, block.row_mix(attention, x))), target)
    gradient = torch.autograd.grad(similarity.sum(), attention)[0]
    return attention.detach().float(), gradient.float()
