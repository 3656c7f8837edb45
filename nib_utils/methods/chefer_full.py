"""Chefer's relevance, carried through the attention of every block."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from .register import method
from .shared.gradient import require_grad


@method(title="Chefer, all blocks", group="canonical", source="Chefer et al., ICCV 2021", forwards=2.6, gradients=True,
        attention=True)
def chefer_full(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Row of the pooled token of `(I + A_L) ... (I + A_1)`, `A_l = mean_heads relu(gradient * attention)`: (B, T) >= 0.

    The gradient is of the logit, exp(logit_scale) times the cosine: a product of `I + A_l` has no scale to spare.
    Only that row is carried, from the last block down. A CLIP has no attention across its towers, so the paper's
    rules for two modalities are this rule in each tower, for the same logit; the authors' notebook for CLIP starts
    at the last block unless told otherwise, which is `chefer`.
    Source: Chefer, Gur and Wolf, ICCV 2021, equations 5 and 6.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = chefer_full(clip.image, reading, clip.encode_text("a cat"))
    """
    logit = lambda feature, goal: tower.scale * cosine(feature, goal)
    found, features = [], []
    for part in reading.parts(reading.own.stream(0), target):
        h, attentions = part.start, []
        with torch.enable_grad():
            for block in tower.blocks[:-1]:
                x = block.norm1(h)
                attentions.append(require_grad(block.attention(x)))  # (n, heads, T, T)
                h = block.mlp(h + block.mix(attentions[-1], x))
            last = tower.blocks[-1]
            x = last.norm1(h)
            attentions.append(require_grad(last.row_attention(x, part.at)))  # (n, heads, T), all that the feature sees
            features.append(tower.head(last.row_output(h, part.at, last.row_mix(attentions[-1], x))))
        gradients = part.gradient(features[-1], attentions, logit)
        *shares, row = [(g * a[part.row]).detach().float().relu().mean(1) for g, a in zip(gradients, attentions)]
        relevance = F.one_hot(part.at[part.row], h.shape[1]) + row  # (p, T)
        for share in reversed(shares):
            relevance = relevance + (relevance[:, None] @ share)[:, 0]
        found.append((part, relevance))
    reading.own.feature = torch.cat(features).detach()
    return reading.in_order(found)
