"""The reference: Shapley values that are kept, as an explanation, and how near another explanation comes to them."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.clip import Clip
from ..common.checks import brief, check_choice, need_columns
from ..common.files import HERE
from ..maps.explanation import Explanation, check_explanation, explanation
from .masks import grid_truth

KEPT = HERE.parent / "results" / "shapley" / "mini-shapes"  # what `run shapley` left
GAMES = ("captions", "phrases")
WORLDS = {"mini": "shapes", "mini-hard": "shapes-hard"}  # what each embedded model was trained on


def reference(clip: Clip, pairs: pd.DataFrame, game: str = "captions", folder: str | Path | None = None) -> Explanation:
    """Kept Shapley values of the first pairs (columns image, caption) as an Explanation: scores in cosine units.

    It is what `explain(..., "shapley")` would give in minutes to hours, so that every measure and picture takes it.
    game: "captions", of load_pairs(dataset, seed=0), or "phrases", of `one_phrase_each`, as the notebook `shapley`
    played them; folder: what it left, by default that of `mini` on shapes. Raises ValueError where nothing was kept,
    or of other pairs, or of another model.

    >>> ex = nib.reference(nib.load_clip("mini"), nib.load_pairs("shapes", n=40))
    >>> nib.curves(ex.clip, ex).mean()
    """
    need_columns(pairs, "image", "caption")
    check_choice("game", game, GAMES)
    if folder is not None and not isinstance(folder, (str, Path)):
        raise TypeError(f"folder is {brief(folder)}; pass the path of what `run shapley` left.")
    folder = KEPT if folder is None else Path(folder)
    lacking = [name for name in ("shapley.csv", "pairs.csv") if not (folder / name).is_file()]
    if lacking:
        raise ValueError(f"'{folder / lacking[0]}' is not there; make it by `python -m nib_utils run shapley`, with "
                         "the same --model and --dataset.")
    known, values = (pd.read_csv(folder / name).set_index("game").loc[[game]] for name in ("pairs.csv", "shapley.csv"))
    captions = list(pairs["caption"])
    if captions != list(known["caption"])[: len(captions)]:
        raise ValueError(f"'{folder}' has values of {len(known)} {game}, but these {len(captions)} pairs are not the "
                         "first of them; pass the pairs that it was made of, in their order.")
    table = values.sort_values("place").groupby(["kind", "pair"])["value"].agg(list)
    patches = torch.tensor(table["image"].loc[: len(captions) - 1].tolist())
    words = [F.pad(torch.tensor(w), (1, 1)) for w in table["text"].loc[: len(captions) - 1]]  # SOS and EOS play not
    if patches.shape[1] != clip.image.grid[0] * clip.image.grid[1]:
        raise ValueError(f"'{folder}' has values of {patches.shape[1]} patches, not those of a grid {clip.image.grid}.")
    ex = explanation(clip, list(pairs["image"]), captions, patches.unflatten(1, clip.image.grid), words, "shapley",
                     scores=True)
    off = np.abs(ex.similarity.numpy() - known["similarity"].to_numpy()[: len(captions)])
    if off.max() > 1e-3:
        raise ValueError(f"'{folder}' was made by another model, or of other pictures: the cosine of pair "
                         f"{off.argmax()} is off by {off.max():.3f}.")
    return ex


def truths(clip: Clip, pairs: pd.DataFrame, game: str = "captions") -> dict[str, Explanation]:
    """What every table is to be read against, as explanations of drawn pairs: name -> Explanation.

    "exact_masks": how much of each patch the named objects cover, and 1 for each content word, 0 for the others; of
    phrases (pairs with a column mask) that one object. "shapley": the kept values, where these pairs have any.

    >>> {name: nib.curves(clip, ex).image_gain.mean() for name, ex in nib.truths(clip, pairs).items()}
    """
    check_choice("game", game, GAMES)
    need_columns(pairs, "image", "caption", *(["masks", "content"] if game == "captions" else ["mask"]))
    named = [m.any(0) for m in pairs["masks"]] if game == "captions" else list(pairs["mask"])
    cover = grid_truth(torch.from_numpy(np.stack(named)), clip.image.grid)
    ids = clip.ids(list(pairs["caption"]))
    said = pairs["content"] if game == "captions" else pairs["caption"].str.split().str[1:]
    words = [torch.tensor([float(word in own) for word in clip.tokenizer.words(i.tolist())])
             for i, own in zip(ids, said)]
    found = {"exact_masks": explanation(clip, list(pairs["image"]), list(pairs["caption"]), cover, words,
                                        "exact_masks", scores=True)}
    if clip.name in WORLDS:
        try:
            found["shapley"] = reference(clip, pairs, game, KEPT.with_name(f"{clip.name}-{WORLDS[clip.name]}"))
        except ValueError:
            pass  # nothing was kept of these pairs
    return found


def agreement(ex: Explanation, shapley: Explanation) -> pd.DataFrame:
    """How near an explanation's scores come to Shapley values of the same pairs: a row per pair.

    Columns image, Pearson's r of the patches (scores of pixels are averaged over them), as far as both have image
    scores, and text, Spearman's of the words between SOS and EOS: -1..1. Where one of two has no preference, as where
    every part scores the same, it agrees with nothing and gets 0, by definition. Raises ValueError for explanations
    of other pairs.

    >>> nib.agreement(nib.explain(clip, images, texts, "legrad"), nib.reference(clip, pairs)).mean()
    """
    for given in (ex, shapley):
        check_explanation(given)
    if len(ex) != len(shapley) or any(not torch.equal(a, b) for a, b in zip(ex.ids, shapley.ids)):
        raise ValueError(f"the explanations are of {len(ex)} and {len(shapley)} pairs with other captions; explain the "
                         "same pairs.")
    return nearness(ex, with_reference(pd.DataFrame(index=range(len(ex))), shapley)["shapley"])


def with_reference(pairs: pd.DataFrame, shapley: Explanation) -> pd.DataFrame:
    """The pairs with a column shapley, a pair's scores of patches (gh, gw) and of tokens (T,), for `evaluate` to read.

    Of a map that was left out the scores are empty.

    >>> nib.evaluate(clip, nib.with_reference(pairs, nib.reference(clip, pairs)), "nib", measures=["agreement"])
    """
    nothing = [torch.empty(0)] * len(shapley)
    patches = shapley.image_scores if len(shapley.image) else nothing
    return pairs.assign(shapley=list(zip(patches, shapley.text_scores or nothing)))


def nearness(ex: Explanation, shapley: Iterable[tuple[Tensor, Tensor]]) -> pd.DataFrame:
    """`agreement` with a column of `with_reference`."""
    patches, words = zip(*shapley)
    found = {}
    if len(ex.image) and len(patches[0]):
        own = F.adaptive_avg_pool2d(ex.image_scores, ex.clip.image.grid)
        theirs = F.adaptive_avg_pool2d(torch.stack(patches), ex.clip.image.grid)
        found["image"] = [correlation(a.flatten(), b.flatten(), scipy.stats.pearsonr) for a, b in zip(own, theirs)]
    if len(ex.text) and len(words[0]):
        found["text"] = [correlation(a[1:-1], b[1:-1], scipy.stats.spearmanr) for a, b in zip(ex.text_scores, words)]
    return pd.DataFrame(found)


def correlation(a: Tensor, b: Tensor, kind) -> float:
    """Pearson's or Spearman's correlation of (N,) and (N,); 0 where one of two is constant, or nothing can vary."""
    a, b = a.double().numpy(), b.double().numpy()
    return float(kind(a, b).statistic) if len(a) > 1 and np.ptp(a) and np.ptp(b) else 0.0
