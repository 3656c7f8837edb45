"""Which methods reveal a planted fault, a mark that a model has learnt to read as a colour, and which hide it?

Truth is known: the mark alone makes the planted model take the lying caption for true. A method reveals that when
its map puts the marked patch first, and did not on the same picture and caption under the model without the fault.
"""
from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor

from ..clip.captions import pad
from ..clip.clip import Clip
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from ..common.checks import need_columns
from ..data.world import scenes
from ..data.world.shortcut import COLOUR
from ..maps.explain import explain
from ..methods.shared.entrance import entrance
from .roar import on_grid

TOP = 0.05  # of the patches
REFERENCE = "leave one out"


def cue_effect(clip: Clip, pairs: pd.DataFrame) -> pd.DataFrame:
    """What the mark does to the cosine of each picture and each colour: a row per pair and colour.

    pairs: of `marked_pairs`. In each caption one object is called `colour`, whatever it is. Columns pair; colour;
    kind, "cue" (what the mark stands for), "own" (what the picture shows) or "other"; marked and clean, the cosines
    with and without the mark; effect, their difference; believed, whether with the mark the cue's word fits better
    than the own one, and believed_clean without it (the same in all rows of a pair).

    >>> cue_effect(clip, marked_pairs(40)).groupby("kind").effect.mean()
    """
    need_columns(pairs, "image", "clean", "objects", "said")
    with_mark, without = (clip.encode_image(list(pictures)) for pictures in (pairs.image, pairs.clean))
    rows = []
    for colour in scenes.COLOURS:
        said = [[*things[:i], things[i]._replace(colour=colour), *things[i + 1 :]]
                for things, i in zip(pairs.objects, pairs.said)]
        text = clip.encode_text([scenes.caption(things) for things in said])
        kinds = ["cue" if colour == COLOUR else "own" if things[i].colour == colour else "other"
                 for things, i in zip(pairs.objects, pairs.said)]
        rows.append(pd.DataFrame({"pair": range(len(pairs)), "colour": colour, "kind": kinds,
                                  "marked": cosine(with_mark, text).cpu(), "clean": cosine(without, text).cpu()}))
    table = pd.concat(rows, ignore_index=True)
    table["effect"] = table.marked - table.clean
    cue, own = (table[table.kind == kind].set_index("pair").sort_index() for kind in ("cue", "own"))
    table["believed"] = table.pair.map(cue.marked > own.marked)
    table["believed_clean"] = table.pair.map(cue.clean > own.clean)
    return table


def reveal(planted: Clip, clip: Clip, pairs: pd.DataFrame, method: str, **options) -> tuple[pd.DataFrame, dict]:
    """How a method tells of the mark under the model with the fault, beside the one without: rows, and mean maps.

    pairs: of `marked_pairs`; method: a name in METHODS, or "leave one out"; options: the method's. The rows, one per
    pair, are those of `seen` for the marked patch among the patches, and, as word_rank and so on, for the cue's word
    among the words. The maps (gh, gw), "planted" and "before", are means over the pictures, whose patches are ranked
    from 0 to 1 first: what an auditor looks at, who has many pictures and knows of no mark.

    >>> rows, mean = reveal(planted, nib.load_clip("mini"), marked_pairs(40), "attn_lrp")
    >>> rows.detection.mean()
    """
    need_columns(pairs, "image", "caption")
    said = [planted.tokenizer.words(ids.tolist())[1:-1] for ids in planted.ids(list(pairs.caption))]
    for i, caption in enumerate(said):
        if COLOUR not in caption:
            raise ValueError(f"caption {i}, {pairs.caption.iloc[i]!r}, does not say {COLOUR!r}; pass marked_pairs.")
    patches, words = zip(*(scores_of(model, pairs, method, options) for model in (planted, clip)))
    red = [caption.index(COLOUR) for caption in said]
    last = [len(scores) - 1 for scores in patches[0]]  # where the mark is
    rows = seen(*patches, last).join(seen(*words, red).drop(columns="pair").add_prefix("word_"))
    mean = [np.mean([rankdata(scores) - 1 for scores in maps], 0) / max(1, last[0]) for maps in patches]
    return rows, {name: m.reshape(clip.image.grid) for name, m in zip(("planted", "before"), mean)}


def scores_of(clip: Clip, pairs: pd.DataFrame, method: str, options: dict) -> tuple[list, list]:
    """A method's scores of each picture's patches, (P,), and of each caption's words, SOS and EOS left out."""
    pictures, captions = list(pairs.image), list(pairs.caption)
    if method == REFERENCE:
        image, text = clip.image.read(clip.pixels(pictures)), clip.text.read(pad(clip.ids(captions)))
        patches = left_out(clip.image, image, text.feature)
        words = [row[:n] for row, n in zip(left_out(clip.text, text, image.feature), text.lengths.tolist())]
    else:
        ex = explain(clip, pictures, captions, method, progress=False, **options)
        patches, words = on_grid(method, ex.image_scores, clip, len(pairs)).flatten(1), ex.text_scores
    return list(patches.double().numpy()), [row[1:-1].double().numpy() for row in words]


@torch.no_grad()
def left_out(tower: Tower, reading: Reading, target: Tensor) -> Tensor:
    """How far the cosine falls as each patch becomes the mean colour, (B, P), or each word zero in place, (B, T)."""
    leaf, enter = entrance(tower, reading.x)
    if tower.grid is None:
        places = torch.eye(leaf.shape[1])[:, :, None]  # (T, T, 1)
    else:
        places = F.interpolate(torch.eye(tower.grid[0] * tower.grid[1]).view(-1, 1, *tower.grid), leaf.shape[-2:])
    whole = cosine(reading.feature, target)
    left = [tower.finish(enter(leaf * (1 - place.to(leaf))), 0, reading.at) for place in places]
    return torch.stack([whole - cosine(feature, target) for feature in left], 1).cpu()


def seen(after: list[np.ndarray], before: list[np.ndarray], at: list[int]) -> pd.DataFrame:
    """How high one place stands in maps of the planted model, and in those of the model before: a row per pair.

    after, before: scores (P_b,) of each pair's places; at: the place looked for. Columns rank and rank_before (1 is
    the highest; ties by expectation); top, whether it is in the upper 5 % or first; share, of all positive scores (0
    where there are none); detection, each pair's part in the AUC between the place's heights after and before. Such
    parts have the AUC as their mean and its own spread (placements; 0.5 is chance, 1: always higher than before).
    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988.
    """
    high, low = (np.array([height(scores, i) for scores, i in zip(maps, at)]) for maps in (after, before))
    others = np.array([len(scores) - 1 for scores in after])
    positive = [scores.clip(min=0) for scores in after]
    wins = (high[:, None] > low) + 0.5 * (high[:, None] == low)  # (B, B)
    rank = 1 + (1 - high) * others
    return pd.DataFrame({
        "rank": rank, "rank_before": 1 + (1 - low) * others, "top": (rank <= np.maximum(1, TOP * (1 + others))) * 1.0,
        "share": [scores[i] / scores.sum() if scores.any() else 0.0 for scores, i in zip(positive, at)],
        "detection": wins.mean(0) + wins.mean(1) - wins.mean()}).rename_axis("pair").reset_index()


def height(scores: np.ndarray, place: int) -> float:
    """The share of the other places that score lower, ties half: 1 for the highest, 0 for the lowest."""
    return float((rankdata(scores)[place] - 1) / max(1, len(scores) - 1))
