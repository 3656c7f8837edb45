"""A reading of a tower's input: what many methods ask of it, computed once."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from .blocks import Block, pick


@dataclass
class Tower:
    """One half of a CLIP.

    `tokens(x)`: pixels (B, 3, H, W) or ids (B, T) -> the tokens before the first norm, (B, T, D).
    `at(x)`: the row that is pooled, (B,) (CLS of an image, EOS of a caption).
    """

    kind: str  # "image" or "text"
    tokens: Callable[[Tensor], Tensor]
    at: Callable[[Tensor], Tensor]
    pre: Callable[[Tensor], Tensor]
    blocks: list[Block]
    post: Callable[[Tensor], Tensor]
    project: Callable[[Tensor], Tensor]
    grid: tuple[int, int] | None = None  # (gh, gw) patches of an image tower
    parts: dict[str, Tensor] = field(default_factory=dict)  # embedding tensors, for methods below h_0
    scale: float = 1.0  # exp(logit_scale): the model's logit is this times the cosine

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def width(self) -> int:
        return self.blocks[0].q.weight.shape[1]

    @property
    def device(self) -> torch.device:
        return self.blocks[0].q.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.blocks[0].q.weight.dtype

    def embed(self, x: Tensor) -> Tensor:
        """Pixels or ids -> h_0, (B, T, D)."""
        return self.pre(self.tokens(x))

    def stream(self, x: Tensor, layer: int) -> Tensor:
        """Pixels or ids -> h_layer, (B, T, D)."""
        h = self.embed(x)
        for block in self.blocks[:layer]:
            h = block(h)
        return h

    def finish(self, h: Tensor, layer: int, at: Tensor) -> Tensor:
        """F_layer: h_layer (B, T, D) -> feature (B, E), pooled at rows `at` (B,).

        Of the last block only the pooled row is computed: nothing else reaches the feature.
        """
        if layer == self.depth:
            return self.head(pick(h, at))
        for block in self.blocks[layer:-1]:
            h = block(h)
        return self.head(self.blocks[-1].row(h, at)[0])

    def head(self, row: Tensor) -> Tensor:
        """Pooled row (B, D) -> feature (B, E)."""
        return self.project(self.post(row))

    def __call__(self, x: Tensor) -> Tensor:
        """Pixels or ids -> feature (B, E), not normalised."""
        return self.finish(self.embed(x), 0, self.at(x))

    def read(self, x: Tensor) -> Reading:
        """Pixels or ids -> a reading, run once however much is asked of it."""
        return Reading(self, x)


class Reading:
    """One reading of a tower's input (each h_l, the feature, the pooled row), computed when first asked."""

    def __init__(self, tower: Tower, x: Tensor):
        self.tower, self.x, self.at = tower, x, tower.at(x)  # x: pixels or ids; at: (B,)
        self.known: list[Tensor] = []  # the streams so far

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def lengths(self) -> Tensor:
        """Tokens of each sample, (B,): a caption ends at its pooled EOS, what follows is padding."""
        if self.tower.kind == "text":
            return self.at + 1
        return torch.full_like(self.at, self.stream(0).shape[1])

    @cached_property
    def inside(self) -> Tensor:
        """Which tokens stand for a place: the patches of an image without CLS, a caption's own tokens; (B, T) bool."""
        place = torch.arange(self.stream(0).shape[1], device=self.at.device)
        grid = self.tower.grid
        first = 0 if grid is None else len(place) - grid[0] * grid[1]
        return (place >= first) & (place < self.lengths[:, None])

    @torch.no_grad()
    def stream(self, layer: int) -> Tensor:
        """h_layer, (B, T, D), for layer 0..L-1; of the blocks, only those before it are run."""
        while len(self.known) <= layer:
            self.known.append(self.tower.blocks[len(self.known) - 1](self.known[-1]) if self.known
                              else self.tower.embed(self.x))
        return self.known[layer]

    @property
    def streams(self) -> list[Tensor]:
        """h_0 .. h_{L-1}, each (B, T, D)."""
        self.stream(self.tower.depth - 1)
        return self.known

    @cached_property
    def feature(self) -> Tensor:
        """(B, E), not normalised; a method that comes by it on its way puts it here, and saves a forward."""
        with torch.no_grad():
            return self.tower.finish(self.streams[-1], self.tower.depth - 1, self.at)

    @property
    def rows(self) -> int:
        """How many rows (T, D) to run through the blocks at once: what fits a CPU's cache, or what fills a GPU."""
        _, T, D = self.stream(0).shape
        budget = 640_000 if self.x.device.type == "cpu" else 60_000_000
        fit = max(1, budget // (T * D))
        return fit - fit % 16 if fit > 16 else fit  # a product of matrices likes round numbers

    def chunks(self, start: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """(start, pooled rows, target) of `rows` samples at a time."""
        return zip(*(x.split(self.rows) for x in (start, self.at, target)))
