"""Shapley values: what each patch, or each word, adds to the cosine on average over all orders in which they come."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..clip.perturb import Perturbed
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from .register import method
from .shared.kernel_shap import Estimate, kernel_shap
from .shared.random_masks import seeds_of
from .shared.seen import at_tokens


@method(title="Shapley values", group="reference", source="Lundberg and Lee, NeurIPS 2017", forwards=1200, noise=True,
        signed=True)
def shapley(tower: Tower, reading: Reading, target: Tensor, *, samples: int | None = None,
            seed: int | Sequence[int] = 0) -> Tensor:
    """Shapley values of the cosine, parts gone being patches on the mean colour, words zeroed at their place.

    samples: coalitions of parts that are tried, by default 1024, or 20 for each part if that is more; where there are
    no more than that, as of ten words or fewer, all of them, and the values are exact. seed: pair b has seed + b, or
    one per pair. Returns signed scores (B, T) in cosine units that add up to cos(all) - cos(nothing), 0 for CLS, SOS
    and EOS. Raises ValueError for too few samples. Source: Shapley, 1953, by KernelSHAP, Lundberg and Lee, NeurIPS
    2017, with paired samples, Covert and Lee, AISTATS 2021.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = shapley(clip.image, reading, clip.encode_text("a cat"))
    """
    found = estimates(tower, reading, target, samples, seed)
    values = pad_sequence([one.values for one in found], batch_first=True).to(reading.x.device)
    return at_tokens(tower, reading, values)


def estimates(tower: Tower, reading: Reading, target: Tensor, samples: int | None = None,
              seed: int | Sequence[int] = 0) -> list[Estimate]:
    """The values of every pair's patches or words, with their halves; arguments as of `shapley`."""
    found = []
    for b, s in enumerate(seeds_of(seed, len(reading), "shapley")):
        length = None if tower.grid else reading.lengths[b]  # without the padding of a longer caption
        one = Perturbed(tower, reading.x[b : b + 1, :length])

        def worth(keep: Tensor, one=one, goal=target[b]) -> Tensor:
            return cosine(one.feature(keep, torch.zeros(len(keep), dtype=torch.long)), goal).cpu()

        tried = max(1024, 20 * one.parts) if samples is None else samples
        found.append(kernel_shap(worth, one.parts, tried, s))
    return found
