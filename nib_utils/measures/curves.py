"""Insertion and deletion: how the cosine falls as the best parts go, and rises as they come."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..clip.captions import pad
from ..clip.clip import Clip, default_batch
from ..clip.perturb import Perturbed
from ..clip.similarity import cosine
from ..clip.tower import Tower
from ..common.checks import check_choice, check_whole
from ..maps.explanation import Explanation, check_explanation
from .ranking import chances, patch_scores, ranks, word_scores

FILLS = ("mean", "blur", "zero")
WORDS = ("in place", "left out")
Curve = tuple[Tensor, Tensor]  # fraction of the parts (B, K) and cosine (B, K)


def curves(clip: Clip, ex: Explanation, *, fill: str = "mean", words: str = "in place", points: int = 8,
           only: str | None = None, batch_size: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Relevance gain, and the areas under the insertion and deletion curves, of each pair's maps: a row per pair.

    ex: of `explain`, or of `explanation`, for maps made elsewhere. only: "image" or "text", for the curves of that map
    alone; by default both, which `ex` then has. Parts are the patches of the image
    tower (pixel scores are averaged on each) and the words between SOS and EOS; chance of `seed` and the pair breaks
    ties. Deletion takes the best parts away first, insertion starts with none and brings the best first; the cosine
    with the other half of the pair, left whole, is read `points` + 1 times, a further `points`-th of the parts gone or
    come each time, and the area over that fraction is the trapezoid's. The gain is insertion minus deletion area: what
    the order is worth, 0 on average for an order of chance.
    fill: what stands for a patch taken away, "mean" (the mean colour), "blur" (the picture, blurred beyond
    recognition) or "zero" (black). words: "in place", a word that is gone loses its row of the vocabulary and nothing
    moves; "left out", the caption closes up, which measures shifted positions more than words.

    Columns image_gain, text_gain, image_deletion_auc, image_insertion_auc, text_deletion_auc, text_insertion_auc, and
    similarity, the cosine of the whole pair, all in cosine units. Raises ValueError for an unknown fill or way with
    words, or an explanation that lacks a map that is asked about. Sources: Petsiuk, Das, Saenko, RISE, BMVC
    2018 (areas, of pixels); Bluecher, Vielhaben, Strodthoff, Decoupling Pixel Flipping and Occlusion Strategy, TMLR
    2024 (symmetric relevance gain).

    >>> ex = nib.explain(clip, images, texts)
    >>> nib.curves(clip, ex).mean()
    """
    frames = []
    for part, whole in trace(clip, ex, fill, words, points, only, batch_size, seed):
        area = {f"{name}_auc": torch.trapezoid(y, x).cpu().numpy() for name, (x, y) in part.items()}
        gain = {f"{kind}_gain": area[f"{kind}_insertion_auc"] - area[f"{kind}_deletion_auc"] for kind in kinds(only)}
        frames.append(pd.DataFrame(gain | area).assign(similarity=whole.cpu().numpy()))
    return pd.concat(frames, ignore_index=True)


def curve_points(clip: Clip, ex: Explanation, *, fill: str = "mean", words: str = "in place", points: int = 8,
                 only: str | None = None, batch_size: int | None = None, seed: int = 0) -> pd.DataFrame:
    """The curves themselves, to be drawn: a row per pair, curve and point; arguments as for `curves`.

    Columns pair; curve, "image_deletion", "image_insertion", "text_deletion" or "text_insertion"; fraction,
    of the parts that were deleted or inserted, 0..1; cosine.

    >>> sns.lineplot(nib.curve_points(clip, ex), x="fraction", y="cosine", hue="curve")
    """
    frames, first = [], 0
    for part, whole in trace(clip, ex, fill, words, points, only, batch_size, seed):
        for name, (x, y) in part.items():
            pair = np.repeat(np.arange(first, first + len(x)), x.shape[1])
            frames.append(pd.DataFrame({"pair": pair, "curve": name, "fraction": x.flatten().cpu().numpy(),
                                        "cosine": y.flatten().cpu().numpy()}))
        first += len(whole)
    return pd.concat(frames, ignore_index=True).sort_values("pair", kind="stable", ignore_index=True)


@torch.no_grad()
def trace(clip: Clip, ex: Explanation, fill: str, words: str, points: int, only: str | None, batch_size: int | None,
          seed: int) -> Iterator[tuple[dict[str, Curve], Tensor]]:
    """The curves of one batch of pairs after the other, and the cosines (B,) of the pairs as they are."""
    check_choice("fill", fill, FILLS)
    check_choice("words", words, WORDS)
    check_choice("only", only, (None, "image", "text"))
    check_whole("points", points, 1)
    check_explanation(ex, *kinds(only))
    images, texts = ex.features_of(clip)
    chance = [own + seed for own in chances(ex)]
    patches = patch_scores(ex, clip.image) if only != "text" else None
    spoken = word_scores(ex) if only != "image" else None
    step = batch_size or default_batch(clip)
    for first in range(0, len(ex), step):
        pairs = slice(first, first + step)
        x, captions = ex.pixels[pairs].to(clip.device), [one.to(clip.device) for one in ex.ids[pairs]]
        image, text = images[pairs], texts[pairs]
        whole, found = cosine(image, text), {}
        if only != "text":
            picture = Perturbed(clip.image, x, fill_of(clip, x, fill)).feature
            found |= two_curves("image", picture, ranks(patches[pairs], chance[pairs]), text, whole, points)
        if only != "image":
            sentence = (Perturbed(clip.text, pad(captions)).feature if words == "in place" else
                        partial(left_out, clip.text, captions))
            found |= two_curves("text", sentence, ranks(spoken[pairs], chance[pairs]), image, whole, points)
        yield found, whole


def kinds(only: str | None) -> tuple[str, ...]:
    """Which maps are asked about."""
    return ("image", "text") if only is None else (only,)


def two_curves(kind: str, feature: Callable[[Tensor, Tensor], Tensor], rank: Tensor, target: Tensor,
               whole: Tensor, points: int) -> dict[str, Curve]:
    """Deletion and insertion curve of one modality; `feature`: of the parts (n, N) bool kept of pairs (n,), (n, E).

    What deletion leaves insertion has yet to bring, so the ends are shared; `whole`, the cosine of all parts (B,), is
    known.
    """
    lengths = rank.isfinite().sum(1, keepdim=True)  # (B, 1): captions differ in length
    counts = (2 * torch.arange(points + 1) * lengths + points) // (2 * points)  # (B, K), the nearest whole numbers
    best = rank < counts[:, :-1, None].transpose(0, 1)  # (K - 1, B, N): none, then ever more of the best
    keep, rows = torch.cat([best, ~best[1:]]), torch.arange(len(rank)).repeat(2 * points - 1)
    cosines = cosine(feature(keep.flatten(0, 1), rows), target[rows.to(target.device)]).unflatten(0, keep.shape[:2]).T
    insertion = torch.cat([cosines[:, :points], whole[:, None]], 1)
    deletion = torch.cat([whole[:, None], cosines[:, points:], cosines[:, :1]], 1)  # both (B, K)
    fraction = (counts / lengths).to(target.device)
    return {f"{kind}_deletion": (fraction, deletion), f"{kind}_insertion": (fraction, insertion)}


def fill_of(clip: Clip, x: Tensor, fill: str) -> Tensor:
    """What stands for the patches taken away from normalised pixels (B, 3, H, W)."""
    if fill == "mean":
        return torch.zeros_like(x)
    if fill == "zero":
        mean, std = (clip.preprocess.stat(v).to(x) for v in (clip.preprocess.mean, clip.preprocess.std))
        return (-mean / std).expand_as(x)
    from torchvision.transforms.functional import gaussian_blur  # which takes as long to come as torch does

    sigma = min(x.shape[-2:]) / 20  # RISE's 5 of 224 pixels leave large objects recognisable
    return gaussian_blur(x, 2 * round(2 * sigma) + 1, sigma)


def left_out(tower: Tower, ids: Sequence[Tensor], keep: Tensor, rows: Tensor) -> Tensor:
    """Features (n, E) of captions `rows` (n,) of ids with only the words `keep` (n, N), closed up."""
    kept = [ids[row][1:-1][k[: len(ids[row]) - 2]] for row, k in zip(rows, keep.to(ids[0].device))]
    short = [torch.cat([ids[row][:1], words, ids[row][-1:]]) for row, words in zip(rows, kept)]
    return torch.cat([tower(pad(short[first : first + len(ids)])) for first in range(0, len(short), len(ids))])
