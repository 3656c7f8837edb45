"""Controls: maps that know nothing of the model, which every table must show beside the methods."""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from ..towers import Tokens, Tower


def all_ones(tower: Tower, tokens: Tokens, target: Tensor) -> Tensor:
    """Everything is equally relevant: scores (B, T) of one."""
    return torch.ones(size(tower, tokens), device=tokens.x.device)


def random(tower: Tower, tokens: Tokens, target: Tensor, *, seed: int | Sequence[int] = 0) -> Tensor:
    """Uniform chance, one number per token, (B, T); pair b draws from seed + b, or from its own seed."""
    B, T = size(tower, tokens)
    seeds = [seed + b for b in range(B)] if isinstance(seed, Integral) else seed
    rows = [torch.rand(T, generator=torch.Generator().manual_seed(int(s))) for s in seeds]
    return torch.stack(rows).to(tokens.x.device)


def centre(tower: Tower, tokens: Tokens, target: Tensor) -> Tensor:
    """The nearer to the middle of the picture, or of the caption, the more relevant, down to 0 at the rim: (B, T)."""
    B, T = size(tower, tokens)
    if tower.grid is None:
        place, middle = torch.arange(T), (tokens.lengths.cpu()[:, None] - 1) / 2
        return (middle - (place - middle).abs()).to(tokens.x.device)
    y, x = (torch.linspace(-1, 1, n) for n in tower.grid)
    distance = (y[:, None] ** 2 + x**2).sqrt().flatten()
    nearness = torch.cat([torch.zeros(T - len(distance)), distance.max() - distance])  # none for CLS
    return nearness.expand(B, T).to(tokens.x.device)


def size(tower: Tower, tokens: Tokens) -> tuple[int, int]:
    """(B, T) of a reading, without running the tower."""
    if tower.grid is None:
        return tokens.x.shape[0], tokens.x.shape[1]
    return len(tokens), 1 + tower.grid[0] * tower.grid[1]
