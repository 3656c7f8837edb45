"""The pieces of a tower: linear layer, norm, and pre-LN residual block, each over borrowed tensors.

The tensors belong to the wrapped model: a tower only looks at them, and unless it was asked to
be trainable it looks at detached views, so no gradient is ever computed for a parameter.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class Linear:
    """`x W^T + b`, over borrowed tensors: weight (out, in), bias (out,) or None."""

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@dataclass
class Norm:
    """Layer norm over the last axis, over borrowed tensors."""

    weight: Tensor | None
    bias: Tensor | None
    eps: float = 1e-5

    def __call__(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """`gain` times the norm of x (..., D)."""
        if self.weight is None:
            return F.layer_norm(x, x.shape[-1:], None, None, self.eps) * gain
        # a model kept in half precision may keep its norms in float32, so compute where the weights are
        weight, bias = times(self.weight, gain), times(self.bias, gain)
        return F.layer_norm(x.to(weight.dtype), x.shape[-1:], weight, bias, self.eps).to(x.dtype)


@dataclass(frozen=True)
class Activation:
    """`unit(gain x) / gain`: QuickGELU, `x sigmoid(1.702 x)`, is SiLU at a gain of 1.702."""

    unit: Callable[[Tensor], Tensor]
    gain: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return self.unit(self.gain * x) / self.gain


def identity(x: Tensor) -> Tensor:
    return x


@dataclass
class Block:
    """One pre-LN residual block: `h + attention(norm1(h))`, then `h + mlp(norm2(h))`."""

    heads: int
    norm1: Norm
    q: Linear
    k: Linear
    v: Linear
    out: Linear
    norm2: Norm
    fc1: Linear
    act: Activation
    fc2: Linear
    scale1: Tensor | None = None  # LayerScale of the attention branch, (D,)
    scale2: Tensor | None = None  # LayerScale of the MLP branch, (D,)
    causal: bool = False

    def __call__(self, h: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return self.mlp(h + self.branch(h))

    def unpadded(self, h: Tensor, kept: Tensor) -> Tensor:
        """The same, run for the rows `kept` (N,) of (B T, D) alone; the others, at which none of them looks, are 0."""
        spread = lambda rows: torch.zeros_like(h).flatten(0, 1).index_copy_(0, kept, rows).view_as(h)
        rows = h.flatten(0, 1)[kept]  # (N, D)
        x = self.norm1(rows)
        q, k, v = (self.split(spread(linear(x))) for linear in (self.q, self.k, self.v))  # (B, heads, T, d)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).transpose(1, 2).flatten(0, 1)[kept]
        return spread(self.mlp(rows + self.join(mixed.transpose(0, 1))))  # joined from (heads, N, d)

    def attend(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> the same result and the attention (B, heads, T, T), part of the graph."""
        x = self.norm1(h)
        attention = self.attention(x)
        return self.mlp(h + self.mix(attention, x)), attention

    def branch(self, h: Tensor) -> Tensor:
        """What the attention adds to the stream, (B, T, D), without ever holding the attention whole."""
        x = self.norm1(h)
        q, k, v = (self.split(linear(x)) for linear in (self.q, self.k, self.v))  # (B, heads, T, d)
        return self.join(F.scaled_dot_product_attention(q, k, v, is_causal=self.causal))

    def mlp(self, h: Tensor) -> Tensor:
        """The stream after this block's MLP, (..., D) -> (..., D)."""
        return self.contract(h, self.act.unit(self.expand(h)))

    def expand(self, h: Tensor) -> Tensor:
        """`gain` times the MLP's first product, (..., D) -> (..., 4 D): by a few weights, not a pass over the 4 D."""
        return F.linear(self.norm2(h, self.act.gain), self.fc1.weight, times(self.fc1.bias, self.act.gain))

    def contract(self, h: Tensor, units: Tensor) -> Tensor:
        """The stream h (..., D) and what the MLP adds for the `act.unit` (..., 4 D) of what `expand` gave."""
        x = F.linear(units, self.fc2.weight, times(self.fc2.bias, self.act.gain))
        return torch.add(h, x if self.scale2 is None else x * self.scale2, alpha=1 / self.act.gain)

    def attention(self, x: Tensor) -> Tensor:
        """Softmax attention of the normalised stream, (B, T, D) -> (B, heads, T, T)."""
        q, k = self.split(self.q(x)), self.split(self.k(x))
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if self.causal:
            T = x.shape[1]
            logits = logits + torch.full((T, T), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
        return self.weigh(logits)

    def weigh(self, logits: Tensor) -> Tensor:
        """How much is looked at each key, (..., T)."""
        return logits.softmax(-1)

    def mix(self, attention: Tensor, x: Tensor) -> Tensor:
        """Values mixed by the attention and projected: (B, heads, T, T), (B, T, D) -> (B, T, D)."""
        return self.join(attention @ self.split(self.v(x)))

    def join(self, mixed: Tensor) -> Tensor:
        """What mixed values (..., heads, T, D / heads) add to the stream, (..., T, D)."""
        y = self.out(self.merge(mixed))
        return y if self.scale1 is None else y * self.scale1

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def merge(self, x: Tensor) -> Tensor:
        """(..., heads, T, D / heads) -> (..., T, D)."""
        return x.transpose(-2, -3).flatten(-2)

    def row(self, h: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """Only the output row `at` (B,) of the block, (B, D), and its attention (B, heads, T).

        One query needs no keys and values of its own: `q . (W_k x) = (W_k^T q) . x` and
        `sum_t a_t W_v x_t = W_v sum_t a_t x_t`, so two T x D x D products become T x D x heads.
        """
        x = self.norm1(h)
        attention = self.row_attention(x, at)
        return self.row_output(h, at, self.row_mix(attention, x)), attention

    def row_attention(self, x: Tensor, at: Tensor) -> Tensor:
        """The attention (B, heads, T) of row `at` of the normalised stream (B, T, D)."""
        d = x.shape[-1] // self.heads
        q = self.q(pick(x, at)).unflatten(-1, (self.heads, d)) * d**-0.5  # (B, heads, d)
        k = torch.einsum("bnd,ndc->bnc", q, self.k.weight.unflatten(0, (self.heads, d)))  # (B, heads, D)
        logits = k @ x.transpose(-1, -2)  # (B, heads, T); the key's bias moves all t alike
        if self.causal:
            after = torch.arange(x.shape[1], device=x.device) > at[:, None]
            logits = logits.masked_fill(after[:, None], float("-inf"))
        return self.weigh(logits)

    def row_mix(self, attention: Tensor, x: Tensor) -> Tensor:
        """The values that one row mixes, all heads side by side: (B, heads, T), (B, T, D) -> (B, D)."""
        v = torch.einsum("bnc,ndc->bnd", attention @ x, self.v.weight.unflatten(0, (self.heads, -1)))
        if self.v.bias is not None:  # times a sum that is 1, so that the gradient by the attention is whole
            v = v + self.v.bias.unflatten(0, (self.heads, -1)) * attention.sum(-1, keepdim=True)
        return v.flatten(1)

    def row_output(self, h: Tensor, at: Tensor, mixed: Tensor) -> Tensor:
        """Row `at` of the block's output, (B, D), from the values (B, D) that it mixed."""
        y = self.out(mixed)
        return self.mlp(pick(h, at) + (y if self.scale1 is None else y * self.scale1))


def times(x: Tensor | None, gain: float) -> Tensor | None:
    return x if x is None or gain == 1 else x * gain


def pick(x: Tensor, at: Tensor) -> Tensor:
    """Row `at` (B,) of each sample, (B, T, ...) -> (B, ...)."""
    return x[torch.arange(len(x), device=x.device), at]


def widened(part):
    """A block, norm or linear layer on float32 copies of its tensors; anything else as it is."""
    if isinstance(part, Tensor):
        return part.float()
    if not isinstance(part, (Block, Norm, Linear)):
        return part
    return replace(part, **{name: widened(value) for name, value in vars(part).items()})
