"""Controls: maps that know nothing of the pair, or are NIB's own spoilt, which every table must show."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..clip.tower import Reading, Tower
from .nib import nib
from .register import method
from .shared.random_masks import seeds_of


@method(title="All ones", group="control", source="control", forwards=1.2)
def all_ones(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """Everything is equally relevant: scores (B, T) of one."""
    return torch.ones(size(tower, reading), device=reading.x.device)


@method(title="Random", group="control", source="control", forwards=1.2, noise=True)
def random(tower: Tower, reading: Reading, target: Tensor, *, seed: int | Sequence[int] = 0) -> Tensor:
    """Uniform chance, one number per token, (B, T); pair b draws from seed + b, or from its own seed."""
    B, T = size(tower, reading)
    rows = [torch.rand(T, generator=torch.Generator().manual_seed(s)) for s in seeds_of(seed, B, "random")]
    return torch.stack(rows).to(reading.x.device)


@method(title="Centre", group="control", source="control", forwards=1.2)
def centre(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """The nearer to the middle of the picture, or of the caption, the more relevant, down to 0 at the rim: (B, T)."""
    B, T = size(tower, reading)
    if tower.grid is None:
        place, middle = torch.arange(T), (reading.lengths.cpu()[:, None] - 1) / 2
        return (middle - (place - middle).abs()).to(reading.x.device)
    y, x = (torch.linspace(-1, 1, n) for n in tower.grid)
    distance = (y[:, None] ** 2 + x**2).sqrt().flatten()
    nearness = torch.cat([torch.zeros(T - len(distance)), distance.max() - distance])  # none for CLS
    return nearness.expand(B, T).to(reading.x.device)


@method(title="Reading order", group="control", source="control", forwards=1.2)
def reading_order(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """The earlier the more relevant: the first half of a caption, the upper half of a picture before the rest, (B, T).

    Left-out words shift all that follow them, so that a measure which leaves words out rewards it.
    """
    B, T = size(tower, reading)
    return torch.arange(T, 0, -1.0, device=reading.x.device).expand(B, T)


@method(title="NIB, shuffled", group="control", source="control", forwards=4.5, gradients=True, noise=True, signed=True)
def shuffled(tower: Tower, reading: Reading, target: Tensor, *, seed: int | Sequence[int] = 0) -> Tensor:
    """NIB's scores (B, T), the same values in places that chance chose: patches among patches, words among words."""
    scores = nib(tower, reading, target)
    first = 1 if tower.grid is None else scores.shape[1] - tower.grid[0] * tower.grid[1]
    for row, length, s in zip(scores, reading.lengths.tolist(), seeds_of(seed, len(scores), "shuffled")):
        last = length - 1 if tower.grid is None else length  # SOS and EOS stay
        order = torch.randperm(last - first, generator=torch.Generator().manual_seed(s)).to(row.device)
        row[first:last] = row[first:last][order]
    return scores


@method(title="NIB, inverted", group="control", source="control", forwards=4.5, gradients=True, signed=True)
def inverted(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """NIB's scores (B, T) with their sign changed: what it says matters least comes first."""
    return -nib(tower, reading, target)


def size(tower: Tower, reading: Reading) -> tuple[int, int]:
    """(B, T) of a reading, without running the tower."""
    return len(reading), reading.x.shape[1] if tower.grid is None else 1 + tower.grid[0] * tower.grid[1]
