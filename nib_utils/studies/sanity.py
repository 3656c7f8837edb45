"""Does a map depend on the model, on the caption, and on chance as it should?"""
from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from itertools import combinations, zip_longest

import numpy as np
import pandas as pd
import scipy
import torch

from ..clip.clip import Clip
from ..common.checks import check_choice, check_whole, need_columns
from ..maps.explain import explain
from ..maps.explanation import Explanation
from ..maps.options import find
from .copies import copy_of, weights

TOWERS = ("image", "text", "both")


def spearman(a, b) -> float:
    """Rank correlation of two maps of one shape, -1..1: 1 of equal maps, NaN where one of two has no preference."""
    a, b = (np.asarray(x, float).ravel() for x in (a, b))
    if np.array_equal(a, b):
        return 1.0
    if not (np.ptp(a) and np.ptp(b)):
        return float("nan")
    return float(scipy.stats.spearmanr(a, b).statistic)


def agreement(one: Explanation, other: Explanation, i: int) -> dict[str, float]:
    """Spearman of pair i's patch scores, and of its words' (SOS and EOS left out), in two explanations."""
    return {"image_spearman": spearman(one.image_scores[i], other.image_scores[i]),
            "text_spearman": spearman(one.text_scores[i][1:-1], other.text_scores[i][1:-1])}


# the model


def randomised(clip: Clip, tower: str = "image", blocks: int = 1, seed: int = 0) -> Clip:
    """A copy whose last `blocks` blocks are drawn anew, each tensor normal with its own mean and std; clip stays.

    tower: "image", "text" or "both"; blocks: 0..L of each. A block is drawn by (seed, its place), so one more
    keeps those above it. Raises ValueError for another tower or number. Source: cascading randomisation of
    Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, with the trained scale kept.

    >>> nib.explain(nib.randomised(clip, "image", 3), ["cat.jpg"], ["a cat"]).plot()
    """
    check_choice("tower", tower, TOWERS)
    check_whole("blocks", blocks, 0)
    copy = copy_of(clip, f"({tower}, {blocks} random)")
    for place, half in enumerate((copy.image, copy.text)):
        if tower not in ("both", half.kind):
            continue
        if blocks > half.depth:
            raise ValueError(f"blocks is {blocks}, but the {half.kind} tower has {half.depth}.")
        for index in range(half.depth - blocks, half.depth):
            rng = np.random.default_rng([seed, place, index, 1])
            for tensor in weights(half.blocks[index]):
                drawn = torch.from_numpy(rng.standard_normal(tuple(tensor.shape))).to(tensor)
                tensor.copy_(tensor.mean() + tensor.std(correction=0) * drawn)
    return copy


def randomisation(clip: Clip, pairs: pd.DataFrame, method: str = "nib", steps: Sequence[int] | None = None,
                  seed: int = 0, towers: Sequence[str] = TOWERS, **options) -> pd.DataFrame:
    """How like the trained model's maps those of randomised copies are: a row per tower, number of blocks and pair.

    steps: how many blocks are drawn anew, by default 1, 2, 4, ... and all (of "both", as many as the shallower
    has). Columns tower, blocks, pair, image_spearman and text_spearman (rank correlation with the trained model's
    scores, -1..1, NaN of a map without a preference), similarity. A map that stays as it was does not show what
    the model learnt. Raises ValueError for more blocks than a tower has. Source: Adebayo et al., NeurIPS 2018.

    >>> nib.randomisation(clip, nib.load_pairs("shapes", n=20)).groupby(["tower", "blocks"]).mean()
    """
    need_columns(pairs, "image", "caption")
    work = clip.pixels(list(pairs.image)), clip.ids(list(pairs.caption)), method
    trained, rows = explain(clip, *work, progress=False, **options), []
    for tower in towers:
        check_choice("tower", tower, TOWERS)
        depth = min(half.depth for half in (clip.image, clip.text) if tower in ("both", half.kind))
        for blocks in sorted({min(2**i, depth) for i in range(depth)}) if steps is None else steps:
            ex = explain(randomised(clip, tower, blocks, seed), *work, progress=False, **options)
            rows += [{"tower": tower, "blocks": blocks, "pair": i, **agreement(trained, ex, i),
                      "similarity": float(ex.similarity[i])} for i in range(len(pairs))]
    return pd.DataFrame(rows)


# the caption


def prompt_sensitivity(clip: Clip, pairs: pd.DataFrame, method: str = "nib", seed: int = 0, **options) -> pd.DataFrame:
    """The image map under the own caption and under others: does it know when there is nothing to explain?

    kind: "own"; "wrong" (where the pairs have distractors), one word of it changed where there is such a
    distractor, else the nearest; "shuffled", its words in another order; "other", the caption of another pair.
    Columns pair, kind, caption, similarity, spearman (of the patch scores with the own caption's), strength (sum
    of the positive patch scores). Raises ValueError where all captions are the same, or one has no distractors.

    >>> nib.prompt_sensitivity(clip, nib.load_pairs("shapes", n=20)).groupby("kind").mean(numeric_only=True)
    """
    need_columns(pairs, "image", "caption")
    rng, pixels = np.random.default_rng(seed), clip.pixels(list(pairs.image))
    kinds = {"own": list(pairs.caption)}
    if "distractors" in pairs:
        kinds["wrong"] = [one_word_off(*row) for row in zip(pairs.caption, pairs.distractors)]
    kinds["shuffled"] = [shuffled_words(caption, rng) for caption in pairs.caption]
    kinds["other"] = [another(pairs, i, rng) for i in range(len(pairs))]
    rows, own = [], None
    for kind, captions in kinds.items():
        ex = explain(clip, pixels, captions, method, only="image", progress=False, **options)
        own = own or ex
        rows += [{"pair": i, "kind": kind, "caption": captions[i], "similarity": float(ex.similarity[i]),
                  "spearman": spearman(own.image_scores[i], ex.image_scores[i]),
                  "strength": float(ex.image_scores[i].clamp(min=0).sum())} for i in range(len(pairs))]
    return pd.DataFrame(rows)


def one_word_off(caption: str, distractors: Sequence[str]) -> str:
    """The distractor with the fewest words changed, place by place; the first of equals."""
    if not len(distractors):
        raise ValueError(f"the caption {caption!r} has no distractors; give it at least one, or drop that column.")
    return min(distractors, key=lambda other: sum(u != v for u, v in zip_longest(caption.split(), other.split())))


def shuffled_words(caption: str, rng: np.random.Generator) -> str:
    """The caption's words, commas apart from them, in an order of chance that is not their own where there is one."""
    words = caption.replace(",", " ,").split()
    while len(set(words)) > 1 and (order := [words[i] for i in rng.permutation(len(words))]):
        if order != words:
            return " ".join(order)
    return caption


def another(pairs: pd.DataFrame, i: int, rng: np.random.Generator) -> str:
    """The caption of another pair, chosen by chance; in the drawn world one that is not true of the i-th picture."""
    own = pairs.caption.iloc[i]
    for j in rng.permutation(len(pairs)):
        true = "objects" in pairs and set(pairs.objects.iloc[j]) <= set(pairs.objects.iloc[i])
        if pairs.caption.iloc[j] != own and not true:
            return pairs.caption.iloc[j]
    raise ValueError(f"no pair has another caption than {own!r}; load pairs with different captions.")


# chance


def seed_variance(clip: Clip, pairs: pd.DataFrame, method: str = "m2ib", seeds: Sequence[int] = (0, 1, 2, 3, 4),
                  **options) -> pd.DataFrame:
    """How far a method's maps move from seed to seed: a row per pair.

    Columns pair, image_spearman and text_spearman (mean over pairs of seeds of the rank correlation of the
    scores; the words without SOS and EOS), image_std and text_std (mean standard deviation, over seeds, of a
    pixel's or a token's map value in 0..1). A method without an option `seed` is run twice, and gives 1 and 0.
    Raises ValueError for fewer than two different seeds.

    >>> nib.seed_variance(clip, nib.load_pairs("shapes", n=20), "m2ib").mean()
    """
    need_columns(pairs, "image", "caption")
    if len(set(seeds)) < 2:
        raise ValueError(f"seeds are {list(seeds)!r}; pass at least two different ones.")
    runs = [{"seed": seed} for seed in seeds] if "seed" in signature(find(method)).parameters else [{}, {}]
    work = clip.pixels(list(pairs.image)), clip.ids(list(pairs.caption)), method
    found = [explain(clip, *work, progress=False, **options, **run) for run in runs]
    rows = []
    for i in range(len(pairs)):
        alike = pd.DataFrame([agreement(one, other, i) for one, other in combinations(found, 2)])
        spread = {f"{kind}_std": float(torch.stack([getattr(ex, kind)[i] for ex in found]).std(0).mean())
                  for kind in ("image", "text")}
        rows.append({"pair": i, **alike.mean().to_dict(), **spread})
    return pd.DataFrame(rows)
