"""NIB: the bottleneck is narrowed by scaling one layer's stream from nothing to itself."""
from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from ..clip.blocks import Block
from ..clip.tower import Reading, Tower, pair_gradients
from .register import method
from .shared.gradient import only_pooled
from .shared.layers import resolve


@method(title="NIB", group="published", source="NIB, ICLR 2025", forwards=4.5, gradients=True, signed=True)
def nib(tower: Tower, reading: Reading, target: Tensor, *, layer: int | None = None, steps: int = 10,
        branch: str = "constant") -> Tensor:
    """Integrated gradients of the similarity along `k z / n`, z the residual stream at `layer`.

    reading: of B inputs; target: the pair's other features (B, E). layer: 0..L-1, by default
    three quarters of the depth (9 of 12); steps: n >= 1, right Riemann rule. Returns signed scores
    (B, T), `z * (1/n) sum_k grad s(k z / n)` summed over channels. Raises ValueError for a bad option.

    A pre-LN block reads only the direction of its input, so the attention branch of block `layer` is
    the same for every k, and gradient through it adds nothing to a sum over channels; branch="constant"
    computes it once, branch="recomputed" every time, as released. The two differ by the norm's epsilon: maps of
    `mini` by up to 1e-3 (8 pairs), of a random ViT-B/32 by 4e-3, and more where `steps` near 1 / sqrt(epsilon).
    Source: NIB, ICLR 2025, as released; the constant branch is our own derivation.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = nib(clip.image, reading, clip.encode_text("a cat"))
    """
    layer = resolve(tower, layer, 9 / 12)
    if steps < 1:
        raise ValueError(f"nib: steps is {steps}; it takes at least 1.")
    if branch not in ("constant", "recomputed"):
        raise ValueError(f"nib: branch is {branch!r}; it takes 'constant' or 'recomputed'.")
    own, entered = reading.own, layer
    z = own.stream(layer)  # (U, T, D)
    if branch == "constant":
        path, layer = narrowed_block(tower.blocks[layer], z), layer + 1
    else:
        path = lambda k, b: k.to(z.dtype) * z[b, : k.shape[1]].repeat_interleave(len(k) // len(b), 0)
    scores = torch.zeros(len(reading), z.shape[1], device=z.device)  # (B, T)
    order = own.lengths.argsort()  # captions of like length together
    share, ends = torch.arange(1, steps + 1, device=z.device) / steps, []  # ends: the features of the inputs themselves
    for b, part in product(order.split(max(1, round(reading.rows / steps))), share.split(reading.rows)):
        T, u = int(own.lengths[b].max()), b.repeat_interleave(len(part))  # the rows of the paths of n inputs
        k = part.repeat(len(b))[:, None, None].repeat(1, T, 1).requires_grad_()  # (n s, T, 1), of slope z_t . grad s
        with torch.enable_grad():
            feature = tower.finish(path(k, b), layer, own.at[u])
        row, pair = reading.asked(u)
        scores[:, :T].index_add_(0, pair, pair_gradients(feature, k, row, target[pair])[..., 0])
        ends.append(feature.detach()[(part == 1).repeat(len(b))])
    own.feature = torch.cat(ends)[order.argsort()]
    return only_pooled(scores / steps, tower, reading, entered)


@torch.no_grad()
def narrowed_block(block: Block, z: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The block's output for the input `k z`, its attention branch `a` held; k (n s, T, 1): s shares for n inputs.

    The norm of `k z + a` is a combination of the centred z and a whose two weights are numbers per token, so the
    MLP's first product is needed once for each of them rather than once a step.
    """
    a, dtype = block.branch(z), z.dtype
    z0, a0 = z - z.mean(-1, keepdim=True), a - a.mean(-1, keepdim=True)
    gain = block.act.gain * (1.0 if block.norm2.weight is None else block.norm2.weight.to(dtype))
    shift = torch.zeros_like(z[0, 0]) if block.norm2.bias is None else block.norm2.bias.to(dtype)
    parts = torch.stack([gain * z0, gain * a0], 2) @ block.fc1.weight.T  # (B, T, 2, 4 D)
    constant = block.act.gain * block.fc1(shift)  # (4 D,)
    mean = lambda u, v: (u.float() * v.float()).mean(-1, keepdim=True)  # (B, T, 1)
    zz, za, aa = mean(z0, z0), mean(z0, a0), mean(a0, a0)

    def output(k: Tensor, b: Tensor) -> Tensor:
        at = lambda x, T=k.shape[1]: x[b, :T, None]  # (n, T, 1, ...)
        k = k.unflatten(0, (len(b), -1)).transpose(1, 2)  # (n, T, s, 1)
        inverse = (k * k * at(zz) + 2 * k * at(za) + at(aa) + block.norm2.eps).rsqrt()
        weights = torch.cat([k * inverse, inverse], -1).to(dtype)  # (n, T, s, 2)
        units = block.act.unit(weights @ parts[b, : k.shape[1]] + constant)
        return block.contract(k.to(dtype) * at(z) + at(a), units).transpose(1, 2).flatten(0, 1)  # (n s, T, D)

    return output
