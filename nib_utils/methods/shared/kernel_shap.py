"""Shapley values of any game by KernelSHAP: exact where few parts play, else sampled, with an error from two halves."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """Shapley values of one game of n parts, and what each half of the random samples alone says of them."""

    values: Tensor  # (n,) float64
    halves: Tensor  # (2, n); equal to the values where every coalition was tried

    @property
    def error(self) -> float:
        """Standard error of a value, root mean square over the parts.

        The halves are independent, each with twice the variance v of the whole, so their difference has 4 v.
        """
        return float((self.halves[0] - self.halves[1]).square().mean().sqrt() / 2)


def kernel_shap(worth: Callable[[Tensor], Tensor], parts: int, samples: int, seed: int = 0) -> Estimate:
    """Shapley values of a game: worth(keep) says what coalitions `keep` (m, parts) bool are worth, (m,).

    Exact where `samples` coalitions are all that there are. Else the outer sizes, one part and all but one, are tried
    in full, and of the others as many as are left are drawn by the Shapley kernel, each with its complement. The
    values add up to worth(all) - worth(none) exactly. Raises ValueError for samples that leave values undetermined.
    Sources: Lundberg and Lee, NeurIPS 2017; Covert and Lee, AISTATS 2021, where pairs are shown to help.

    >>> kernel_shap(lambda keep: keep.float().prod(1), parts=8, samples=256).values  # each an eighth
    """
    if 2**parts <= samples:
        keep = torch.arange(2**parts)[:, None].bitwise_right_shift(torch.arange(parts)) % 2 == 1
        values = solve(keep, kernel(parts)[keep.sum(1)], worth(keep).double())
        return Estimate(values, values.expand(2, -1))
    if samples < (least := 2 * parts + 6):  # of the random ones, a pair for each half
        raise ValueError(f"samples is {samples}, too few for {parts} parts, of which each is worth something else; it "
                         f"takes at least {min(least, 2**parts)}.")
    alone = torch.eye(parts, dtype=torch.bool)
    none = torch.zeros(1, parts, dtype=torch.bool)
    fixed = torch.cat([none, alone, ~alone, ~none])
    drawn = draw(parts, (samples - len(fixed)) // 2, seed)  # (pairs, parts)
    keep = torch.cat([fixed, drawn, ~drawn])
    found, weight = worth(keep).double(), kernel(parts)[keep.sum(1)]
    half = torch.cat([torch.full((len(fixed),), -1), (torch.arange(len(drawn)) % 2).repeat(2)])  # a pair stays together

    def fit(used: Tensor) -> Tensor:  # the random ones that are used stand for all of their sizes, alike
        weights = torch.where(used, inner(parts).sum() / used.sum(), torch.where(half < 0, weight, 0))
        return solve(keep, weights, found)

    return Estimate(fit(half >= 0), torch.stack([fit(half == 0), fit(half == 1)]))


def kernel(parts: int) -> Tensor:
    """The weight of a coalition by its size, (parts + 1,): `(n - 1) / (binomial(n, s) s (n - s))`, 0 at both ends."""
    s = torch.arange(parts + 1, dtype=torch.float64)
    choose = torch.exp(torch.lgamma(s[-1] + 1) - torch.lgamma(s + 1) - torch.lgamma(s[-1] - s + 1))
    return torch.where((s > 0) & (s < parts), (parts - 1) / (choose * s * (parts - s)), 0)


def inner(parts: int) -> Tensor:
    """What the coalitions of each of the sizes 2 .. parts - 2 weigh together, (parts - 3,)."""
    s = torch.arange(2, parts - 1, dtype=torch.float64)
    return (parts - 1) / (s * (parts - s))


def draw(parts: int, count: int, seed: int) -> Tensor:
    """Random coalitions (count, parts) bool of these sizes, by their weight."""
    generator = torch.Generator().manual_seed(seed)
    size = 2 + torch.multinomial(inner(parts), count, replacement=True, generator=generator)
    return torch.rand(count, parts, generator=generator).argsort(1).argsort(1) < size[:, None]


def solve(keep: Tensor, weight: Tensor, found: Tensor) -> Tensor:
    """The values (n,) whose sums over coalitions `keep` (m, n) come nearest to what these are `found` to be worth.

    Nobody and everybody must be among them, and are met exactly: a coalition's share of everybody's worth is taken
    away, and what is left is fitted by values that add up to zero.
    """
    size, parts = keep.sum(1), max(keep.shape[1], 1)
    none, whole = found[size.argmin()], found[size.argmax()]
    share = size[:, None].double() / parts
    rows, rest = keep.double() - share, found - none - share[:, 0] * (whole - none)  # rows add up to zero
    square = rows.T @ (weight[:, None] * rows) + 1 / parts  # so the values have no sum of their own, which this sets
    return torch.linalg.solve(square, rows.T @ (weight * rest)) + (whole - none) / parts
