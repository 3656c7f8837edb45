"""How many random masks does RISE need? Its maps by ever more masks, and how well two halves of them agree."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.captions import as_list, pad
from ..clip.clip import Clip
from ..clip.tower import Reading, Tower
from ..common.checks import check_choice, check_whole
from ..maps.explanation import Explanation, check_count, explanation
from ..methods import METHODS
from ..methods.rise import look
from ..methods.shared.random_masks import Masks
from .sanity import spearman


@torch.no_grad()
def halves(clip: Clip, images, texts, method: str = "rise", masks: Sequence[int] = (50, 100, 200, 400), *,
           seed: int = 0) -> tuple[dict[int, Explanation], pd.DataFrame]:
    """RISE's maps of the first n of its masks, and how alike the maps of two halves of these n are.

    images, texts: as for `explain`; method: "rise" or "rise_centred", with its own p and cells; masks: even numbers n,
    ascending. More masks begin with the fewer, so that each is looked through once: the last n costs what `explain`
    with as many does, and its map is the same. The halves are every second mask, n/2 each.

    Returns {n: explanation}, and a row per n and pair: masks, pair, image_r and text_r (Pearson's correlation of the
    halves' scores, of the mean on each patch and of the words between SOS and EOS, -1..1, NaN where one is
    constant), image_spearman and text_spearman. Two maps of n masks each would agree at about 2 r / (1 + r)
    (Spearman and Brown, 1910). Raises ValueError for another method, or numbers that are odd or do not ascend.

    >>> maps, rows = halves(clip, images, texts, "rise_centred", masks=[100, 200])
    >>> rows.groupby("masks").image_r.mean()
    """
    check_choice("method", method, ("rise", "rise_centred"))
    for fewer, n in zip([0, *masks], masks):
        check_whole("masks", n, 2)
        if n % 2 or n <= fewer:
            raise ValueError(f"masks are {list(masks)}; they must be even and ascend, to be halved and added up.")
    check_whole("seed", seed, 0)
    pixels, ids = clip.pixels(images), clip.ids(as_list(texts))
    check_count(len(pixels), len(ids))
    image, text = clip.image.read(pixels), clip.text.read(pad(ids))
    seen = list(zip(*(grown(clip.image, image, b, text.feature[b], method, masks, seed + b) for b in range(len(ids)))))
    read = list(zip(*(grown(clip.text, text, b, image.feature[b], method, masks, seed + b) for b in range(len(ids)))))
    found, rows = {}, []
    for n, pictures, captions in zip(masks, seen, read):  # (all, one, other) of each pair
        whole = [p[0] for p in pictures], [c[0] for c in captions]
        found[n] = explanation(clip, pixels, ids, *whole, name=method, scores=True)
        for b, (picture, caption) in enumerate(zip(pictures, captions)):
            patches = [F.adaptive_avg_pool2d(scores[None], clip.image.grid).flatten() for scores in picture[1:]]
            words = [scores[1:-1] for scores in caption[1:]]
            rows.append({"masks": n, "pair": b, "image_r": pearson(*patches), "text_r": pearson(*words),
                         "image_spearman": spearman(*patches), "text_spearman": spearman(*words)})
    return found, pd.DataFrame(rows)


def grown(tower: Tower, reading: Reading, b: int, target: Tensor, method: str, masks: Sequence[int],
          seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Input b's scores, (H, W) or (T,), by all of the first n masks, by every second, by the others; for each n."""
    p, cells = (signature(METHODS[method]).parameters[name].default for name in ("p", "cells"))
    length = int(reading.lengths[b])
    x = reading.x[b : b + 1] if tower.grid else reading.x[b : b + 1, :length]
    looks = Masks(masks[-1], x.shape[2:] if tower.grid else x.shape[1:], cells, p, seed, x.device)
    sums = [[0, 0, 0], [0, 0, 0]]  # of the cosines, of the masks by their cosines, of the masks; for each half
    for first, last in zip([0, *masks], masks):
        for half in (0, 1):
            some = looks[torch.arange(first + half, last, 2)]
            cosines, weighted, opened = look(tower, x, reading.at[b], target, some, reading.rows)
            sums[half] = [a + new for a, new in zip(sums[half], (cosines.sum(), weighted, opened))]
        both = [a + new for a, new in zip(*sums)]
        yield tuple(((weighted - (total / n * opened if method == "rise_centred" else 0)) / n / p).float().cpu()
                    for n, (total, weighted, opened) in zip((last, last // 2, last // 2), (both, *sums)))


def pearson(a: Tensor, b: Tensor) -> float:
    """Correlation of two rows of scores (N,), -1..1; NaN where one is constant."""
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return float((a * b).sum() / (a.norm() * b.norm()))
