"""What do NIB's scores add up to, and what is left when the stream has been narrowed?

The path goes from `lambda = 1` to `0` on `lambda z`, z the residual stream entering one block. That block
normalises before it attends, so `branch(lambda z) = branch(z)` for every lambda > 0: what the path narrows is
`mlp(lambda z + branch(z))`, the branch held. At 0 it still holds; `s(0)` with everything recomputed is another point.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import torch
from torch import Tensor

from ..clip.captions import pad
from ..clip.clip import Clip
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from ..common.checks import check_share, check_whole, need_columns
from ..common.sentences import nobody
from ..methods.shared.layers import resolve

NODES = {  # n steps -> {lambda: weight}; integers in, so that nodes that two rules share are evaluated once
    "right": lambda n: {k / n: 1 / n for k in range(1, n + 1)},
    "left": lambda n: {k / n: 1 / n for k in range(n)},
    "midpoint": lambda n: {(2 * k + 1) / (2 * n): 1 / n for k in range(n)},
    "trapezoid": lambda n: {k / n: (0.5 if k in (0, n) else 1) / n for k in range(n + 1)},
}
SHARES = (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0)


class Path:
    """The similarities along `lambda z` of a batch, (B,) each, with the branch of the block at `layer` held or not."""

    def __init__(self, tower: Tower, reading: Reading, target: Tensor, layer: int | None):
        self.tower, self.reading, self.target = tower, reading, target
        self.layer = resolve(tower, layer, 9 / 12)
        self.z, self.block = reading.stream(self.layer), tower.blocks[self.layer]  # (B, T, D)
        with torch.no_grad():
            self.branch = self.block.branch(self.z)  # (B, T, D)

    def held(self, share: Tensor | float) -> Tensor:
        """s of `mlp(share z + branch(z))`; share: a number, or (B, T, 1)."""
        h = self.block.mlp(share * self.z + self.branch)
        return cosine(self.tower.finish(h, self.layer + 1, self.reading.at), self.target)

    def recomputed(self, share: float) -> Tensor:
        """s of `share z`, nothing held."""
        return cosine(self.tower.finish(share * self.z, self.layer, self.reading.at), self.target)

    def slopes(self, share: float) -> Tensor:
        """What each token adds to d s / d share on the held path, `z_t . grad_t s(share z)`: (B, T)."""
        shares = torch.full_like(self.z[..., :1], share).requires_grad_()  # (B, T, 1)
        with torch.enable_grad():
            total = self.held(shares).sum()
        return torch.autograd.grad(total, shares)[0][..., 0].float()

    def kept(self, share: float) -> Tensor:
        """`|share z|^2 / (|share z|^2 + |branch|^2)`, centred over channels, mean over tokens: (B,) in 0..1."""
        z2, a2 = ((x - x.mean(-1, keepdim=True)).float().square().sum(-1) for x in (share * self.z, self.branch))
        real = torch.arange(z2.shape[1], device=z2.device) < self.reading.lengths[:, None]  # (B, T)
        return (real * z2 / (z2 + a2)).sum(1) / real.sum(1)


@torch.no_grad()
def rows_of(clip: Clip, pairs: pd.DataFrame, layer: int | None, batch_size: int,
            measure: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """`measure` of the paths of both towers, batch by batch, with columns pair (of the batch made of all) and tower."""
    need_columns(pairs, "image", "caption")
    check_whole("batch_size", batch_size, 1)
    frames = []
    for first in range(0, len(pairs), batch_size):
        part = pairs.iloc[first : first + batch_size]
        image = clip.image.read(clip.pixels(list(part.image)))
        text = clip.text.read(pad(clip.ids(list(part.caption))))
        for tower, reading, target in ((clip.image, image, text.feature), (clip.text, text, image.feature)):
            frame = measure(Path(tower, reading, target, layer))
            frames.append(frame.assign(pair=frame.pair + first, tower=tower.kind))
    table = pd.concat(frames, ignore_index=True)
    return table[["pair", "tower", *(c for c in table.columns if c not in ("pair", "tower"))]]


def per_pair(columns: dict[str, Tensor | float | str]) -> pd.DataFrame:
    """Columns of (B,) tensors, or of one value for all, as rows."""
    cells = {name: v.double().cpu().numpy() if isinstance(v, Tensor) else v for name, v in columns.items()}
    return pd.DataFrame(cells).rename_axis("pair").reset_index()


def completeness(clip: Clip, pairs: pd.DataFrame, steps: Sequence[int] = (1, 2, 5, 10, 20, 50),
                 layer: int | None = None, rules: Sequence[str] = tuple(NODES), batch_size: int = 16) -> pd.DataFrame:
    """NIB's scores summed over all tokens, beside the two gaps they might explain: a row per pair, tower, rule, steps.

    attribution_sum: the quadrature of d s / d lambda over 0..1 with n `steps`; "right" is the published rule.
    full_gap: `s(z) - s(0)`; held_gap: `s(z) - s(0 with the attention branch of the block kept)`, which the sums
    converge to. Rules: right, left, midpoint, trapezoid. layer: as in `nib`. Raises ValueError for a bad option.
    Completeness is an axiom of Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017.

    >>> table = nib.completeness(clip, nib.load_pairs("shapes", n=8))
    >>> (table.attribution_sum - table.held_gap).abs().groupby([table.rule, table.steps]).mean()
    """
    for n in steps:
        check_whole("steps", n, 1)
    for rule in rules:
        if rule not in NODES:
            raise ValueError(nobody("rule", rule, NODES))

    def measure(path: Path) -> pd.DataFrame:
        whole = path.held(1.0)
        gaps = {"similarity": whole, "full_gap": whole - path.recomputed(0.0), "held_gap": whole - path.held(0.0)}
        slope, frames = {}, []
        for rule in rules:
            for n in steps:
                total = torch.zeros_like(whole)
                for share, weight in NODES[rule](n).items():
                    if share not in slope:
                        slope[share] = path.slopes(share).sum(1)
                    total += weight * slope[share]
                frames.append(per_pair({"rule": rule, "steps": n, "attribution_sum": total, **gaps}))
        return pd.concat(frames)

    return rows_of(clip, pairs, layer, batch_size, measure)


def narrowing(clip: Clip, pairs: pd.DataFrame, shares: Sequence[float] = SHARES, layer: int | None = None,
              batch_size: int = 16) -> pd.DataFrame:
    """What is left along NIB's path: a row per pair, tower and share (lambda, 1..0).

    similarity_recomputed: `s(share z)`; similarity_held: with the attention branch of the block held, the same
    until share is 0. kept: of what enters the block's MLP, the part that z still makes up beside the branch,
    `|share z|^2 / (|share z|^2 + |branch|^2)`, centred over channels as the norm sees it, mean over tokens, 0..1;
    no bits are meant. slope: d s / d share, the sum of what the tokens add to NIB's scores there; size: the sum of
    their magnitudes. Raises ValueError for a share outside 0..1.

    >>> nib.narrowing(clip, nib.load_pairs("shapes", n=8)).groupby(["tower", "share"]).mean()
    """
    for share in shares:
        check_share("a share", share)

    def measure(path: Path) -> pd.DataFrame:
        frames = []
        for share in map(float, shares):
            slopes = path.slopes(share)  # (B, T)
            frames.append(per_pair({
                "share": share, "similarity_held": path.held(share), "similarity_recomputed": path.recomputed(share),
                "kept": path.kept(share), "slope": slopes.sum(1), "size": slopes.abs().sum(1)}))
        return pd.concat(frames)

    return rows_of(clip, pairs, layer, batch_size, measure)
