"""LeGrad: how the attention of every block would have to grow for its tokens to match better."""
from __future__ import annotations

import torch
from torch import Tensor

from ..reading import Tokens
from ..similarity import cosine
from ..towers import Block, Tower
from .record import method


@method(title="LeGrad", group="rival", source="Bousselham et al., ICCV 2025", forwards=2.6, gradients=True,
        attention=True)
def legrad(tower: Tower, tokens: Tokens, target: Tensor, *, first: int = 0) -> Tensor:
    """Mean over blocks, heads and queries of `relu(d s_l / d attention_l)`: scores (B, T) >= 0.

    `s_l` is the cosine of the tokens leaving block l, averaged and put through the tower's own end, with the
    target; a block's attention is judged by that block's output alone. first: the block to begin with,
    0..L-1; ValueError otherwise. Captions average over their own tokens.
    Source: LeGrad, Bousselham et al., ICCV 2025, section 3.

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = legrad(clip.image, tokens, clip.encode_text("a cat"))
    """
    if not 0 <= first < tower.depth:
        raise ValueError(f"legrad: first is {first}; the {tower.kind} tower has blocks 0..{tower.depth - 1}.")
    parts = []
    for rows in torch.arange(len(tokens), device=tokens.at.device).split(tokens.rows):
        T = int(tokens.lengths[rows].max())
        own = (torch.arange(T, device=rows.device) < tokens.lengths[rows, None])[..., None]  # (B, T, 1)
        total = 0
        for layer in range(first, tower.depth):
            h, block = tokens.streams[layer][rows, :T], tower.blocks[layer]
            leaving = tokens.streams[layer + 1][rows, :T] if layer + 1 < tower.depth else None
            total = total + attention_gradient(tower, block, h, leaving, own, target[rows])
        parts.append(torch.nn.functional.pad(total / (tower.depth - first), (0, tokens.streams[0].shape[1] - T)))
    return torch.cat(parts)


def attention_gradient(tower: Tower, block: Block, h: Tensor, leaving: Tensor | None, own: Tensor,
                       target: Tensor) -> Tensor:
    """Mean over heads and queries of the positive gradient by this block's attention, by key: (B, T).

    Every token's output has the same gradient `w`, that of the mean, so the MLP's last product is needed for one
    vector only: `w . (W_2 a) = (W_2^T w) . a`.
    """
    count = own.sum(1)  # (B, 1)
    with torch.no_grad():
        x = block.norm1(h)
        attention, values = block.attention(x), block.split(block.v(x))
        middle = h + projected(block, attention @ values)  # the stream between attention and MLP
        leaving = block.mlp(middle) if leaving is None else leaving
    mean = ((leaving * own).sum(1) / count).requires_grad_()
    with torch.enable_grad():
        similarity = cosine(tower.head(mean), target)
    w = torch.autograd.grad(similarity.sum(), mean)[0] / count  # (B, D)
    back = (w if block.scale2 is None else w * block.scale2) @ block.fc2.weight  # (B, 4 D)
    middle.requires_grad_()
    with torch.enable_grad():
        shared = (block.act(block.fc1(block.norm2(middle))) @ back[..., None])[..., 0] + (middle @ w[..., None])[..., 0]
    gradient = torch.autograd.grad((shared * own[..., 0]).sum(), middle)[0]  # (B, T, D)
    gradient = (gradient if block.scale1 is None else gradient * block.scale1) @ block.out.weight
    by_attention = block.split(gradient) @ values.transpose(-1, -2)  # (B, heads, T, T)
    if block.causal:
        by_attention = by_attention.tril()
    return by_attention.float().relu().mean(1).sum(1) / count


def projected(block: Block, mixed: Tensor) -> Tensor:
    """Mixed values (B, heads, T, d) through the attention's output, (B, T, D)."""
    y = block.out(mixed.transpose(1, 2).flatten(2))
    return y if block.scale1 is None else y * block.scale1
