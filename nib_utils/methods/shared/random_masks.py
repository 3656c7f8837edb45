"""RISE's random masks: coarse grids of chance, stretched smoothly and shifted."""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from ...common.checks import check_seed


class Masks:
    """`n` masks of `shape` (H, W) or (T,), in 0..1; indexed by a tensor of rows, and only then made.

    Each is a grid of `cells` numbers per axis, 1 with chance p, else 0, stretched linearly over one cell more
    than the shape needs, and cut out at a random shift of less than a cell.
    """

    def __init__(self, n: int, shape: Sequence[int], cells: int, p: float, seed: int,
                 device: torch.device | str = "cpu"):
        generator = torch.Generator().manual_seed(seed)  # chance is the CPU's, so that every device has the same
        self.shape = tuple(shape)
        self.grids = (torch.rand(n, *[cells] * len(shape), generator=generator) < p).float().to(device)
        sides = [-(-size // cells) for size in shape]
        self.shifts = [torch.randint(side, (n,), generator=generator).to(device) for side in sides]
        self.weights = [stretch(cells, (cells + 1) * side).to(device) for side in sides]

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """(n, *shape)."""
        ways = [w[shift[rows, None] + torch.arange(size, device=w.device)]  # (n, size, cells)
                for w, shift, size in zip(self.weights, self.shifts, self.shape)]
        if len(ways) == 1:
            return (ways[0] @ self.grids[rows][..., None])[..., 0]
        return ways[0] @ self.grids[rows] @ ways[1].transpose(1, 2)


def stretch(cells: int, size: int) -> Tensor:
    """(size, cells): the weights that interpolate `cells` numbers linearly to `size`, mirrored at the outer two."""
    place = (torch.arange(size) + 0.5) * cells / size - 0.5  # in cells, between their middles
    last = cells - 1
    place = (last - (last - place.abs()).abs()).clamp(0, last)
    return (1 - (place[:, None] - torch.arange(cells)).abs()).clamp(min=0)


def seeds_of(seed: int | Sequence[int], count: int, name: str) -> list[int]:
    """One seed per sample: pair b has seed + b, or its own."""
    check_seed(f"{name}: seed", seed)
    seeds = [int(seed) + b for b in range(count)] if isinstance(seed, Integral) else list(map(int, seed))
    if len(seeds) != count:
        raise ValueError(f"{name}: {len(seeds)} seeds for {count} pairs; pass an integer or one seed per pair.")
    return seeds
