"""Grad-ECLIP: the values that the pooled token takes over, weighted by gradient and by a loosened attention."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.blocks import pick
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from .register import method


@method(title="Grad-ECLIP", group="rival", source="Zhao et al., ICML 2024", forwards=1.3, gradients=True,
        attention=True)
def grad_eclip(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """`relu(sum_heads lambda_hi sum_c w_hc v_hic)` in the last block: scores (B, T) >= 0.

    v are the values, w the gradient of the cosine by the values that the pooled row mixed, and lambda, in place of
    the softmax, the cosine of the pooled row's query with each key, scaled to 0..1 over the patches, or over the
    caption's tokens. Every head has its own lambda, as the model has its own attention; the authors' code runs
    the block with one head. Source: Grad-ECLIP, Zhao et al., ICML 2024, section 3.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = grad_eclip(clip.image, reading, clip.encode_text("a cat"))
    """
    h, at, block = reading.streams[-1], reading.at, tower.blocks[-1]
    with torch.no_grad():
        x = block.norm1(h)  # (B, T, D)
        mixed = block.row_mix(block.row_attention(x, at), x)
        q = block.q(pick(x, at)).unflatten(-1, (block.heads, -1))[:, :, None]  # (B, heads, 1, d)
        match = F.cosine_similarity(q.float(), block.split(block.k(x)).float(), dim=-1)  # (B, heads, T)
        values = block.split(block.v(x))  # (B, heads, T, d)
    mixed.requires_grad_()
    with torch.enable_grad():
        similarity = cosine(tower.head(block.row_output(h, at, mixed)), target)
    weights = torch.autograd.grad(similarity.sum(), mixed)[0].unflatten(-1, (block.heads, -1))  # (B, heads, d)
    outside = ~reading.inside[:, None]  # (B, 1, T)
    low = match.masked_fill(outside, 2).amin(-1, keepdim=True)
    high = match.masked_fill(outside, -2).amax(-1, keepdim=True)
    loosened = ((match - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)  # CLS itself may lie outside
    scores = (loosened * torch.einsum("bnd,bntd->bnt", weights.float(), values.float())).sum(1)
    return scores.relu() * reading.inside
