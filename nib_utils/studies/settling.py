"""How many steps does M2IB's mask need? Its maps after ever more steps of one learning."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from torch import Tensor

from ..clip.captions import as_list, pad
from ..clip.clip import Clip, default_batch
from ..clip.tower import Reading, Tower
from ..common.checks import check_whole
from ..maps.explanation import Explanation, check_count, explanation
from ..methods.m2ib import learnt


def settling(clip: Clip, images, texts, steps: Sequence[int] = (5, 10, 20), *, layer: int | None = None,
             beta: float = 0.1, learning_rate: float = 1.0, copies: int = 10, start: float = 5.0,
             seed: int = 0) -> dict[int, Explanation]:
    """M2IB's maps after each number of steps, {n: explanation}: as `explain` with so many gives, learnt once.

    images, texts: as for `explain`; steps: ascending; the others are those of `m2ib`. The last number is what it
    costs. Raises ValueError for steps that do not ascend.

    >>> maps = settling(clip, images, texts, steps=[5, 10, 20, 40])
    >>> {n: nib.curves(clip, ex).image_gain.mean() for n, ex in maps.items()}
    """
    for fewer, n in zip([0, *steps], steps):
        check_whole("steps", n, 1)
        if n <= fewer:
            raise ValueError(f"steps are {list(steps)}; they must ascend, since one learning goes through all of them.")
    pixels, ids = clip.pixels(images), clip.ids(as_list(texts))
    check_count(len(pixels), len(ids))
    options = dict(layer=layer, beta=beta, learning_rate=learning_rate, copies=copies, start=start)
    found: dict[int, tuple[list, list]] = {n: ([], []) for n in steps}
    for first in range(0, len(ids), step := default_batch(clip)):
        pairs = slice(first, first + step)
        image, text = clip.image.read(pixels[pairs]), clip.text.read(pad(ids[pairs]))
        for place, (tower, reading, other) in enumerate(((clip.image, image, text), (clip.text, text, image))):
            for n, scores in zip(steps, after(tower, reading, other.feature, steps, seed=seed + first, **options)):
                found[n][place].extend(scores.cpu())
    grid = clip.image.grid
    return {n: explanation(clip, pixels, ids, [s[-grid[0] * grid[1] :].unflatten(0, grid) for s in pictures],
                           [s[: len(own)] for s, own in zip(words, ids)], "m2ib", scores=True)
            for n, (pictures, words) in found.items()}


def after(tower: Tower, reading: Reading, target: Tensor, steps: Sequence[int], **options) -> list[Tensor]:
    """The scores (B, T) with each number of steps."""
    course = islice(learnt(tower, reading, target, **options), steps[-1])
    return [scores for n, scores in enumerate(course, 1) if n in steps]
