"""A tower with its gates held: what only scales or routes is constant, so that a gradient hands relevance down."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ...clip.blocks import Block, Norm
from ...clip.tower import Tower


def held(tower: Tower, presence: float = 0.0) -> Tower:
    """The same tower, from float32 on, with the same outputs and with gradients for which every gate is constant.

    Held are each norm's deviation and each activation's factor `act(x) / x`; the factors of a product in attention
    have half of their gradient each. presence: the log of how present every patch is to all attention, 0 for wholly
    present; CLS, which is no place, and captions stay whole. Source of the rules: AttnLRP, Achtibat et al., ICML 2024.
    """
    norm = lambda part: HeldNorm(**vars(part)) if isinstance(part, Norm) else part
    patches = tower.grid[0] * tower.grid[1] if tower.grid else 0
    tower = tower.wide(0)
    blocks = [HeldBlock(**vars(block) | dict(norm1=norm(block.norm1), norm2=norm(block.norm2)),
                        patches=patches, presence=presence) for block in tower.blocks]
    for block in blocks:
        block.act = partial(gated, block.act)
    return replace(tower, pre=norm(tower.pre), blocks=blocks, post=norm(tower.post))


def held_cosine(feature: Tensor, goal: Tensor) -> Tensor:
    """The cosine of (n, E) and (n, E) with both norms held, (n,)."""
    goal = goal.to(feature.dtype)
    return (feature * goal).sum(-1) / (feature.norm(dim=-1) * goal.norm(dim=-1)).detach()


@dataclass
class HeldBlock(Block):
    """A block's own output, and the gradients of AttnLRP."""

    patches: int = 0  # the last so many tokens of an image
    presence: float = 0.0

    def branch(self, h: Tensor) -> Tensor:
        x = self.norm1(h)
        return self.mix(self.attention(x), x)

    def attention(self, x: Tensor) -> Tensor:
        return super().attention(half(x))

    def mix(self, attention: Tensor, x: Tensor) -> Tensor:
        return half(super().mix(attention, x))

    def row_attention(self, x: Tensor, at: Tensor) -> Tensor:
        return super().row_attention(half(x), at)

    def row_mix(self, attention: Tensor, x: Tensor) -> Tensor:
        return half(super().row_mix(attention, x))

    def weigh(self, logits: Tensor) -> Tensor:
        if self.presence:
            others = logits.shape[-1] - self.patches
            logits = logits + F.pad(logits.new_full((self.patches,), self.presence), (others, 0))
        return super().weigh(logits)


class HeldNorm(Norm):
    def __call__(self, x: Tensor) -> Tensor:
        wide = x if self.weight is None else x.to(self.weight.dtype)
        scale = (wide.detach().var(-1, correction=0, keepdim=True) + self.eps).rsqrt()
        y = (wide - wide.mean(-1, keepdim=True)) * scale
        if self.weight is not None:
            y = y * self.weight if self.bias is None else torch.addcmul(self.bias, y, self.weight)
        return y.to(x.dtype)


def gated(act: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """act(x), as x times a factor that is held; both of CLIP's activations have slope 1/2 at 0."""
    known = x.detach()
    return x * (act(known) / known).nan_to_num(0.5)


def half(x: Tensor) -> Tensor:
    """The same number, with half of its gradient: one of the two factors of a product."""
    return x / 2 + x.detach() / 2
