"""NIB: the bottleneck is narrowed by scaling one layer's stream from nothing to itself."""
from __future__ import annotations

import torch
from torch import Tensor

from ..similarity import cosine
from ..towers import Tokens, Tower
from .layers import resolve


def nib(tower: Tower, tokens: Tokens, target: Tensor, *, layer: int | None = None, steps: int = 10,
        branch: str = "constant") -> Tensor:
    """Integrated gradients of the similarity along `k z / n`, z the residual stream at `layer`.

    tokens: a reading of B inputs; target: the pair's other features (B, E). layer: 0..L-1, by default
    three quarters of the depth (9 of 12); steps: n >= 1, right Riemann rule. Returns signed scores
    (B, T), `z * (1/n) sum_k grad s(k z / n)` summed over channels. Raises ValueError for a bad option.

    A pre-LN block reads only the direction of its input, so the attention branch of block `layer` is
    the same for every k, and gradient through it adds nothing to a sum over channels; branch="constant"
    (exact up to the norm's epsilon) computes it once, branch="recomputed" every time.
    Source: NIB, ICLR 2025, as released; the constant branch is our own derivation.

    >>> tokens = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = nib(clip.image, tokens, clip.encode_text("a cat"))
    """
    layer = resolve(tower, layer, 9 / 12)
    if steps < 1:
        raise ValueError(f"nib: steps is {steps}; it takes at least 1.")
    if branch not in ("constant", "recomputed"):
        raise ValueError(f"nib: branch is {branch!r}; it takes 'constant' or 'recomputed'.")
    z, at, block = tokens.streams[layer], tokens.at, tower.blocks[layer]
    with torch.no_grad():
        fixed = block.branch(z) if branch == "constant" else None
    scores = torch.zeros(z.shape[:2], device=z.device)  # (B, T)
    pair = torch.arange(len(z), device=z.device).repeat(steps)  # the rows of the path: k = 1 for all pairs, then 2, ..
    share = torch.arange(1, steps + 1, device=z.device).repeat_interleave(len(z)) / steps
    for b, k in zip(pair.split(tokens.rows), share.split(tokens.rows)):
        h = (z[b] * k[:, None, None].to(z.dtype)).requires_grad_()
        with torch.enable_grad():
            if fixed is None:
                feature = tower.finish(h, layer, at[b])
            else:
                feature = tower.finish(block.mlp(h + fixed[b]), layer + 1, at[b])
            similarity = cosine(feature, target[b])
        grad = torch.autograd.grad(similarity.sum(), h)[0]
        scores.index_add_(0, b, (grad.float() * z[b].float()).sum(-1))
    return scores / steps
