"""Parts of a library's model as the pieces of a tower: what clip, open_clip and transformers have in common."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...clip.blocks import Activation, Block, Linear, Norm, identity
from ...clip.tower import Tower

QUICK_GELU = Activation(nn.functional.silu, 1.702)


def activation(module: Callable[[Tensor], Tensor]) -> Activation:
    """The library's own activation, or our form of QuickGELU."""
    return QUICK_GELU if type(module).__name__.startswith("QuickGELU") else Activation(module)


def linear(module: nn.Linear, borrow) -> Linear:
    """Views of a plain linear layer; adapters and quantised layers, which compute something else, are refused."""
    if type(module).forward is not nn.Linear.forward:
        raise ValueError(f"a {type(module).__module__}.{type(module).__name__} is not a plain linear layer; "
                         "merge adapters and dequantise the model before wrapping it.")
    return Linear(borrow(module.weight), borrow(module.bias))


def norm(module: nn.LayerNorm, borrow) -> Norm:
    return Norm(borrow(module.weight), borrow(module.bias), module.eps)


def projection(weight: Tensor | nn.Linear | None, borrow) -> Callable[[Tensor], Tensor]:
    """What ends a tower: a (D, E) parameter, a linear layer, or nothing."""
    if weight is None:
        return identity
    if isinstance(weight, nn.Module):
        return linear(weight, borrow)
    return Linear(borrow(weight).T)


def fused_attention(module: nn.MultiheadAttention, borrow) -> dict[str, Linear]:
    """Views of the query, key and value parts of torch's fused attention, and its output."""
    weights = borrow(module.in_proj_weight).chunk(3)
    biases = borrow(module.in_proj_bias).chunk(3)
    q, k, v = (Linear(w, b) for w, b in zip(weights, biases))
    return dict(q=q, k=k, v=v, out=linear(module.out_proj, borrow))


def patches(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The patch embedding as one product: pixels (B, 3, H, W), weight (D, 3, p, q) -> (B, gh * gw, D)."""
    p, q = weight.shape[-2:]
    x = x[..., : x.shape[2] // p * p, : x.shape[3] // q * q].to(weight.dtype)  # a convolution drops what is left over
    x = x.unflatten(3, (-1, q)).unflatten(2, (-1, p))  # (B, 3, gh, p, gw, q)
    x = x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, gh * gw, 3 p q)
    return nn.functional.linear(x, weight.flatten(1), bias)


def image_tower(conv: nn.Conv2d, cls: Tensor, position: Tensor, grid: tuple[int, int], pre: Callable,
                blocks: list[Block], post: Callable, project: Callable, borrow) -> Tower:
    """Patches and a CLS token (D,) with positions (1 + gh * gw, D), pooled at CLS."""
    kernel, bias, cls, position = map(borrow, (conv.weight, conv.bias, cls, position))

    def tokens(x: Tensor) -> Tensor:
        x = patches(x, kernel, bias)
        return torch.cat([cls.to(x.dtype).expand(len(x), 1, -1), x], 1) + position.to(x.dtype)

    def at(x: Tensor) -> Tensor:
        return torch.zeros(len(x), dtype=torch.long, device=x.device)

    return Tower("image", tokens, at, pre, blocks, post, project, grid=grid)


def text_tower(vocabulary: Tensor, positions: Tensor, at: Callable, blocks: list[Block], post: Callable,
               project: Callable, dtype: torch.dtype, borrow) -> Tower:
    """Words (V, D) at positions (P, D), in the precision that the blocks compute in, pooled at row `at(ids)`."""
    vocabulary, positions = borrow(vocabulary), borrow(positions)

    def tokens(ids: Tensor) -> Tensor:
        return vocabulary[ids].to(dtype) + positions[: ids.shape[1]].to(dtype)

    return Tower("text", tokens, at, identity, blocks, post, project,
                 parts=dict(vocabulary=vocabulary, positions=positions))


def highest(ids: Tensor) -> Tensor:
    """Where CLIP's EOS, the highest id of its vocabulary, stands: (B, T) -> (B,)."""
    return ids.argmax(-1)


def first(eos: int) -> Callable[[Tensor], Tensor]:
    """The function that finds the first `eos` of every caption, (B, T) -> (B,)."""
    return lambda ids: (ids == eos).int().argmax(-1)
