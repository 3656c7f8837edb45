"""A tower with its gates held is linear: moves of its stream are pushed up through it, its slopes pulled down."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...clip.blocks import Block, Linear, Norm, pick
from ...clip.tower import TURNS, Tower, rows_at_once


class Held:
    """A tower from float32 on, read once from h_0 (n, T, D), with every gate kept that it met on the way.

    Its feature (n, E) is the tower's own. Held are each norm's deviation, each activation's factor `act(x) / x`, and
    the feature's length; of a product in attention each factor goes half of its way with the other held. presence: the
    log of how present every patch is to all attention, 0 for wholly present; CLS, which is no place, and captions stay
    whole. Source of the rules: AttnLRP, Achtibat et al., ICML 2024; one linear map, taken either way, is our own form.

    >>> net = Held(tower, reading.stream(0), reading.at)
    >>> slope, shares = net.pull(target, torch.arange(len(target)))  # (B, T, D), (B, T)
    """

    @torch.no_grad()
    def __init__(self, tower: Tower, h: Tensor, at: Tensor, presence: float = 0.0):
        net, T, patches = tower.wide(0), h.shape[1], tower.grid[0] * tower.grid[1] if tower.grid else 0
        self.h, self.blocks = (h := h.to(net.dtype)), []
        mask = h.new_full((T, T), float("-inf") if net.blocks[0].causal else 0).triu(1)
        mask[:, T - patches :] += presence
        for block in net.blocks:
            self.blocks.append(HeldBlock(block, h, mask, at if block is net.blocks[-1] else None))
            h = self.blocks[-1].output
        self.post, self.feature = held_scale(net.post, h), net.head(h[:, 0])
        self.project = net.project.weight if isinstance(net.project, Linear) else torch.eye(h.shape[-1]).to(h)
        self.length = self.feature.norm(dim=-1, keepdim=True)

    @torch.no_grad()
    def push(self, moves: Tensor, row: Tensor) -> Tensor:
        """How far the unit feature of the inputs `row` (p,) goes, (p, E), when h_0 moves by (p, T, D)."""
        for block in self.blocks:
            moves = block.push(moves, row)
        return (centred(moves) * self.post[row])[:, 0] @ self.project.T / self.length[row]

    @torch.no_grad()
    def pull(self, goal: Tensor, row: Tensor, streams: int = 1) -> tuple[Tensor, Tensor, Tensor]:
        """For p goals (p, E): d cosine(feature[row], goal) / d h_0, (p, T, D), with both lengths held; what a token
        gives, (p, T): `sum_c h_l d cosine / d h_l`, the mean over the first `streams` layers l; and the positive slopes
        by the attention to it, (p, T), summed over layers, heads and queries."""
        back, found = F.normalize(goal.to(self.h.dtype), dim=-1) / self.length[row] @ self.project, []
        some = max(len(self.h), min(TURNS, rows_at_once(self.h)))  # no more memory than the forward pass took
        for slope, own in zip(back[:, None].split(some), row.split(some)):
            slope, shares, looks = centred(slope * self.post[own]), 0, 0
            for layer, block in reversed([*enumerate(self.blocks)]):
                slope, looked = block.pull(slope, own)
                shares, looks = shares + (slope * block.h[own]).sum(-1) if layer < streams else 0, looks + looked
            found.append((slope, shares / streams, looks))
        return tuple(map(torch.cat, zip(*found)))


class HeldBlock:
    """A block at n streams, h (n, T, D): its output, and what it makes of moves and slopes.

    mask (T, T) is added to the logits. at (n,): the output is this row alone, (n, 1, D); None: all, (n, T, D).
    """

    def __init__(self, block: Block, h: Tensor, mask: Tensor, at: Tensor | None):
        self.block, self.h, self.at, self.scale1, x = block, h, at, held_scale(block.norm1, h), block.norm1(h)
        self.q, self.k, self.v = map(block.split, (block.q(self.rows(x)), block.k(x), block.v(x)))
        self.half = self.q.shape[-1] ** -0.5 / 2
        logits = self.q @ self.k.mT * (2 * self.half) + (mask if at is None else mask[at][:, None, None])
        self.attention = logits.softmax(-1)  # (n, heads, T, T), or (n, heads, 1, T)
        h = self.rows(h) + block.join(self.attention @ self.v)
        self.scale2, x = held_scale(block.norm2, h), block.expand(h)
        units = block.act.unit(x)
        self.factor = (units / x).nan_to_num(0.5)  # both of CLIP's activations have slope 1/2 at 0
        self.output = block.contract(h, units)

    def rows(self, x: Tensor, row: Tensor | slice = slice(None)) -> Tensor:
        """Those of (p, T, D) that the output has, (p, 1, D) or all."""
        return x if self.at is None else pick(x, self.at[row])[:, None]

    def spread(self, x: Tensor, row: Tensor) -> Tensor:
        """What `rows` takes, put back where it was, (p, T, D)."""
        return x if self.at is None else x * F.one_hot(self.at[row], self.k.shape[2])[..., None]

    def push(self, moves: Tensor, row: Tensor) -> Tensor:
        """Moves of the stream before the block, (p, T, D), as moves after it."""
        block, attention, x = self.block, self.attention[row], centred(moves) * self.scale1[row]
        q, k, v = map(block.split, (self.rows(x, row) @ block.q.weight.T, x @ block.k.weight.T, x @ block.v.weight.T))
        logits = (q @ self.k[row].mT + self.q[row] @ k.mT) * self.half
        weights = attention * (logits - (attention * logits).sum(-1, keepdim=True))
        mixed = block.merge(weights @ self.v[row] + attention @ v) / 2
        moves = self.rows(moves, row) + scaled(mixed @ block.out.weight.T, block.scale1)
        x = (centred(moves) * self.scale2[row]) @ block.fc1.weight.T * self.factor[row]
        return moves + scaled(x @ block.fc2.weight.T, block.scale2)

    def pull(self, slope: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """`push`, transposed, of slopes (p, T, D); and the sum of the positive ones by attention to a token, (p, T)."""
        block, attention = self.block, self.attention[row]
        x = scaled(slope, block.scale2) @ block.fc2.weight * self.factor[row] @ block.fc1.weight
        slope = slope + centred(x * self.scale2[row])
        mixed = block.split(scaled(slope, block.scale1) @ block.out.weight) / 2
        weights = mixed @ self.v[row].mT
        logits = attention * (weights - (attention * weights).sum(-1, keepdim=True)) * self.half
        q, k, v = map(block.merge, (logits @ self.k[row], logits.mT @ self.q[row], attention.mT @ mixed))
        x = k @ block.k.weight + v @ block.v.weight + self.spread(q @ block.q.weight, row)
        return self.spread(slope, row) + centred(x * self.scale1[row]), weights.relu().sum((1, 2))


def held_scale(norm: Norm, x: Tensor) -> Tensor:
    """What a layer norm multiplies the centred x (n, T, D) by, (n, T, D), or (n, T, 1) where it has no weights."""
    scale = (x.var(-1, correction=0, keepdim=True) + norm.eps).rsqrt()
    return scale if norm.weight is None else scale * norm.weight


def centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


def scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else x * scale
