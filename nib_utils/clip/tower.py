"""One half of a CLIP as a tower of residual blocks, and a reading of its input, computed once.

    h_0 = embed(x)            residual stream entering block 0, (B, T, D)
    h_l = stream(x, l)        residual stream entering block l
    F_l(h_l) = finish(h_l, l, at)   the feature, (B, E): blocks l..L-1, norm, pooling, projection
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from .blocks import Block, pick, widened
from .similarity import cosine


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

    def wide(self, layer: int) -> Tower:
        """The same tower, at least float32 from block `layer` on: half precision would drown some sums in rounding."""
        if torch.promote_types(self.dtype, torch.float32) == self.dtype:
            return self
        blocks = [*self.blocks[:layer], *map(widened, self.blocks[layer:])]
        return replace(self, blocks=blocks, post=widened(self.post), project=widened(self.project))

    def __call__(self, x: Tensor) -> Tensor:
        """Pixels or ids -> feature (B, E), not normalised."""
        return self.finish(self.embed(x), 0, self.at(x))

    def read(self, x: Tensor) -> Reading:
        """Pixels or ids -> a reading, run once however much is asked of it."""
        return Reading(self, x)


class Reading:
    """A reading of B inputs (each h_l, the feature, the pooled row), computed when first asked.

    Inputs that are equal are run once: `own` is the reading of the U different ones, itself where all differ, and
    `which` (B,) says where each input stands among them. What a method computes of `own`, in `parts`, serves every
    pair that shares the input.
    """

    def __init__(self, tower: Tower, x: Tensor):
        self.tower, self.x, self.at = tower, x, tower.at(x)  # x: pixels or ids; at: (B,)
        self.known: list[Tensor] = []  # the streams so far
        places: dict[bytes, int] = {}
        rows = x.detach().cpu().contiguous().flatten(1).view(torch.uint8)  # NumPy has no bfloat16
        which = [places.setdefault(row.numpy().tobytes(), len(places)) for row in rows]
        self.which = torch.tensor(which, device=self.at.device)
        self.own = self
        if len(places) < len(x):
            self.own = Reading(tower, x[[which.index(place) for place in range(len(places))]])

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
        """h_layer, (B, T, D), for layer 0..L-1; only the blocks before it are run, and not for a caption's padding."""
        if self.own is not self:
            return self.own.stream(layer)[self.which]
        while len(self.known) <= layer:
            run = self.tower.blocks[len(self.known) - 1] if self.known else self.tower.embed
            if self.known and self.kept is not None:
                run = partial(run.unpadded, kept=self.kept)
            self.known.append(run(self.known[-1] if self.known else self.x))
        return self.known[layer]

    @cached_property
    def kept(self) -> Tensor | None:
        """Where in (B T) the tokens are that stand for something, (N,); None where no caption is padded."""
        if self.tower.kind == "image" or (self.at == self.x.shape[1] - 1).all():
            return None
        return (torch.arange(self.x.shape[1], device=self.at.device) < self.lengths[:, None]).flatten().nonzero()[:, 0]

    @cached_property
    def feature(self) -> Tensor:
        """(B, E), not normalised; a method that comes by `own`'s on its way puts it there, and saves a forward."""
        if self.own is not self:
            return self.own.feature[self.which]
        with torch.no_grad():
            return self.tower.finish(self.stream(self.tower.depth - 1), self.tower.depth - 1, self.at)

    @property
    def rows(self) -> int:
        """How many rows (T, D) to run through the blocks at once: what fits a CPU's cache, or what fills a GPU."""
        return rows_at_once(self.own.stream(0))

    def asked(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Which pairs ask about each of `inputs` (n,), places in `own`: (place in inputs, pair), each (p,)."""
        if self.own is self:
            return torch.arange(len(inputs), device=inputs.device), inputs
        return tuple((inputs[:, None] == self.which).nonzero().T)

    def parts(self, start: Tensor, target: Tensor) -> Iterator[Part]:
        """`rows` of the different inputs at a time, and the pairs that ask about them; start: of `own`, (U, ...)."""
        for inputs in torch.arange(len(self.own), device=self.at.device).split(self.rows):
            row, pair = self.asked(inputs)
            yield Part(start[inputs[0] : inputs[-1] + 1], self.own.at[inputs], row, pair, target[pair])

    def in_order(self, found: list[tuple[Part, Tensor]]) -> Tensor:
        """What was found for the pairs of every part, in the order of the pairs, (B, ...)."""
        values = torch.cat([value for _, value in found])
        if self.own is self:
            return values
        return values[torch.cat([part.pair for part, _ in found]).argsort()]


def rows_at_once(h: Tensor) -> int:
    """How many rows (T, D) of a stream (B, T, D) to run through the blocks at once, for this device."""
    budget = 640_000 if h.device.type == "cpu" else 60_000_000
    fit = max(1, budget // (h.shape[1] * h.shape[2]))
    return fit - fit % 16 if fit > 16 else fit  # a product of matrices likes round numbers


@dataclass
class Part:
    """Some of a reading's different inputs, run together, and the pairs that ask about them."""

    start: Tensor  # (n, ...), what is run
    at: Tensor  # (n,), the pooled rows
    row: Tensor  # (p,), where in `start` each pair's input is
    pair: Tensor  # (p,), the pairs' places in the reading
    goal: Tensor  # (p, E), what each pair is compared with

    def gradient(self, feature: Tensor, by: Tensor | list[Tensor],
                 of: Callable[[Tensor, Tensor], Tensor] = cosine) -> Tensor | list[Tensor]:
        """d of(feature, goal) / d `by` (n, ...) for every pair, (p, ...), through the graph of one forward."""
        return pair_gradients(feature, by, self.row, self.goal, of)


TURNS = 16  # gradients of one row that are handed down together; more fill no core and take memory


def pair_gradients(feature: Tensor, by: Tensor | list[Tensor], row: Tensor, goal: Tensor,
                   of: Callable[[Tensor, Tensor], Tensor] = cosine) -> Tensor | list[Tensor]:
    """d of(feature[row], goal) / d `by` for each of p pairs, where pair i asks about row[i] of feature (n, E)."""
    asked = feature.detach()[row].requires_grad_()  # (p, E)
    with torch.enable_grad():
        similarity = of(asked, goal)
    return pull_back(feature, by, row, torch.autograd.grad(similarity.sum(), asked)[0])


def pull_back(output: Tensor, by: Tensor | list[Tensor], row: Tensor, back: Tensor) -> Tensor | list[Tensor]:
    """Gradients by output[row], `back` (p, ...), as gradients by `by` (n, ...), or by a list of such: (p, ...) each.

    output (n, ...) and `by` belong to one graph in which a row depends on no other; it is gone through for `TURNS` of
    the pairs that ask about a row at once.
    """
    tensors, n = by if isinstance(by, list) else [by], len(output)
    if torch.equal(row, torch.arange(n, device=row.device)):
        found = list(torch.autograd.grad(output, tensors, back))
    else:
        turns = (row[:, None] == row).tril(-1).sum(1)  # how many earlier pairs ask about the same row
        found, last = [x.new_empty(len(row), *x.shape[1:]) for x in tensors], int(turns.max())
        some = max(1, TURNS // n)
        for first in range(0, last + 1, some):
            pairs = ((first <= turns) & (turns < first + some)).nonzero()[:, 0]
            places = turns[pairs] - first, row[pairs]
            here = output.new_zeros(min(some, last + 1 - first), *output.shape).index_put_(places, back[pairs])
            for all_, gradient in zip(found, torch.autograd.grad(
                    output, tensors, here, retain_graph=first + some <= last, is_grads_batched=True)):
                all_[pairs] = gradient[places]
    return found if isinstance(by, list) else found[0]
