"""AttnLRP: relevance handed down from the similarity to the tokens, rule by rule, as a gradient of a kinder network."""
from __future__ import annotations

import torch
from torch import Tensor

from ..clip.blocks import Block, Norm, pick
from ..clip.tower import Reading, Tower
from .register import method


@method(title="AttnLRP", group="rival", source="Achtibat et al., ICML 2024", forwards=2.9, gradients=True, signed=True)
def attn_lrp(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Relevance of each token entering block 0, summed over channels: signed scores (B, T).

    Rules: a linear layer hands on in proportion to its terms, its bias absorbing a share; a norm is linear with
    its deviation held; an activation is `x` times a held factor; a product shares equally between its factors;
    softmax is taken at first order. Each is the gradient times input of a network in which the held parts are
    constants, so one backward pass is enough. The cosine's norms are held too.
    Source: AttnLRP, Achtibat et al., ICML 2024, section 3, with the epsilon rule in every linear layer (the authors
    also give a gamma rule, less noisy on pictures, which would have to be tuned).

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = attn_lrp(clip.image, reading, clip.encode_text("a cat"))
    """
    found, features = [], []
    for part in reading.parts(reading.own.stream(0), target):
        start = part.start.clone().requires_grad_()
        with torch.enable_grad():
            h = start
            for block in tower.blocks:
                h = kinder_block(block, h)
            features.append(tower.project(kinder_norm(tower.post, pick(h, part.at))))
        gradient = part.gradient(features[-1], start, kinder_cosine)
        found.append((part, (gradient.float() * start[part.row].detach().float()).sum(-1)))
    reading.own.feature = torch.cat(features).detach()
    return reading.in_order(found)


def kinder_cosine(feature: Tensor, goal: Tensor) -> Tensor:
    """The cosine of (n, E) and (n, E) with both norms held constant, (n,)."""
    feature, goal = feature.float(), goal.float()
    return (feature * goal).sum(-1) / (feature.norm(dim=-1) * goal.norm(dim=-1)).detach()


def kinder_block(block: Block, h: Tensor) -> Tensor:
    """The block's own output, (B, T, D), whose gradients are AttnLRP's."""
    x = kinder_norm(block.norm1, h)
    q, k, v = (half(block.split(part(x))) for part in (block.q, block.k, block.v))
    logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if block.causal:
        later = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool, device=h.device).triu(1)
        logits = logits.masked_fill(later, float("-inf"))
    y = block.out((half(logits.softmax(-1)) @ v).transpose(1, 2).flatten(2))
    h = h + (y if block.scale1 is None else y * block.scale1)
    x = block.fc1(kinder_norm(block.norm2, h))
    factor = torch.where(x == 0, 0.5, block.act(x) / x).detach()  # both of CLIP's activations have slope 1/2 at 0
    y = block.fc2(x * factor)
    return h + (y if block.scale2 is None else y * block.scale2)


def kinder_norm(norm: Norm, x: Tensor) -> Tensor:
    """The norm with its deviation held constant."""
    centred = x - x.mean(-1, keepdim=True)
    y = centred * (centred.float().pow(2).mean(-1, keepdim=True) + norm.eps).rsqrt().to(x.dtype).detach()
    y = y if norm.weight is None else y * norm.weight.to(x.dtype)
    return y if norm.bias is None else y + norm.bias.to(x.dtype)


def half(x: Tensor) -> Tensor:
    """The same number, with half of its gradient: one of the two factors of a product."""
    return x / 2 + x.detach() / 2
