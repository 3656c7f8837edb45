"""RISE: look through thousands of random masks, and average the masks that keep the match."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from .register import method
from .shared.entrance import entrance
from .shared.random_masks import Masks, seeds_of


@method(title="RISE", group="published", source="as released with NIB, ICLR 2025", forwards=5900, noise=True,
        signed=True, pixels=True)
def rise(tower: Tower, reading: Reading, target: Tensor, *, masks: int | None = None, p: float = 0.1, cells: int = 8,
         centred: bool = False, given: Tensor | None = None, seed: int | Sequence[int] = 0) -> Tensor:
    """`sum_i cos_i M_i / (N p)` over N random masks of the pixels, or of the words' embeddings.

    A mask is a grid of `cells` per axis, each open with chance p, stretched linearly and shifted. masks: N, by
    default 6000 for images and 200 for captions; centred: subtract the mean cosine first (`rise_centred`);
    given: the masks themselves, (N, H, W) or (N, T) in 0..1, the same for all samples; seed: pair b has
    seed + b, or one per pair. Returns signed scores of pixels (B, H, W), or of words (B, T).
    A word that occurs twice is masked at each of its places; the release masks its row of the vocabulary, so that
    the mask of its last place holds at all of them, and else gives the same. Raises ValueError for a bad option.
    Source: Petsiuk, Das and Saenko, BMVC 2018, equation 6, as released with NIB, ICLR 2025.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = rise(clip.image, reading, clip.encode_text("a cat"), masks=1000)
    """
    n = masks if masks is not None else 200 if tower.grid is None else 6000
    for name, value in (("masks", n), ("cells", cells)):
        if value < 1:
            raise ValueError(f"rise: {name} is {value}; it takes at least 1.")
    if not 0 < p <= 1:
        raise ValueError(f"rise: p is {p}; it takes a chance above 0 and up to 1.")
    seeds, scores = seeds_of(seed, len(reading), "rise"), []
    for b, length in enumerate(reading.lengths.tolist()):
        x = reading.x[b : b + 1] if tower.grid else reading.x[b : b + 1, :length]  # one image, or one caption's own ids
        shape = x.shape[2:] if tower.grid else x.shape[1:]
        if given is not None and not (given.shape[1:] == shape or (
                given.ndim == 2 and tower.grid is None and given.shape[1] >= length)):
            raise ValueError(f"rise: the given masks are {tuple(given.shape)}; they must be (N, *{tuple(shape)}).")
        looks = Masks(n, shape, cells, p, seeds[b], x.device) if given is None else given[..., : shape[-1]]
        cosines, weighted, opened = look(tower, x, reading.at[b], target[b], looks, reading.rows)
        if centred:
            weighted = weighted - cosines.mean() * opened
        scores.append((weighted / len(looks) / p).float())
    return pad_sequence(scores, batch_first=True) if tower.grid is None else torch.stack(scores)


@torch.no_grad()
def look(tower: Tower, x: Tensor, at: Tensor, goal: Tensor, masks: Masks | Tensor, rows: int) -> tuple[Tensor, ...]:
    """One input through all masks: the cosines (N,), `sum_i cos_i M_i` and `sum_i M_i` (H, W) or (T,)."""
    leaf, enter = entrance(tower, x)
    cosines, weighted, opened = [], 0, 0
    rows = min(rows, max(1, 2_500_000 // leaf.numel())) if x.is_cpu else rows  # pictures spill its caches
    for some in torch.arange(len(masks)).split(rows):
        m = masks[some].to(leaf.device).float()
        openness = m.to(leaf.dtype).unsqueeze(1 if tower.grid else -1)  # the same for every channel
        cosines.append(cosine(tower.finish(enter(leaf * openness), 0, at.expand(len(some))), goal))
        weighted = weighted + torch.tensordot(cosines[-1], m, 1).double()
        opened = opened + m.sum(0).double()
    return torch.cat(cosines).double(), weighted, opened
