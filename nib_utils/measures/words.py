"""Do the words that a map singles out matter? Measured on captions whose words are known to say something or not."""
from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from ..clip.clip import Clip
from ..common.checks import need_columns


def word_accuracy(clip: Clip, pairs: pd.DataFrame, text_maps) -> pd.DataFrame:
    """How well text maps tell content words (size, texture, colour, shape) from "a", "and" and commas: a row per pair.

    pairs: of load_pairs("shapes"), or any with columns caption and content, a list of the words that matter;
    text_maps: B arrays (T_b,) with SOS and EOS, which are left out, as `explain` gives them. Columns, all
    in 0..1: average_precision of the words ranked by the map, equal ones in the order of chance (the mean
    over all orders); pointing, whether the highest word is a content word; and what a map that knows
    nothing gets, average_precision_chance and pointing_chance. Most words of a drawn caption are content,
    so chance is high. Raises ValueError for maps that do not fit, or captions where nothing can be told apart.

    >>> ex = nib.explain(clip, list(pairs.image), list(pairs.caption), only="text")
    >>> nib.word_accuracy(clip, pairs, ex.text).mean()
    """
    need_columns(pairs, "caption", "content")
    ids, maps = clip.ids(list(pairs.caption)), list(text_maps)
    if len(maps) != len(ids):
        raise ValueError(f"{len(ids)} captions and {len(maps)} text maps were given; pass as many of each.")
    rows = []
    for i, (caption, content, m) in enumerate(zip(ids, pairs.content, maps)):
        m = torch.as_tensor(m).double().cpu().numpy()
        if m.shape != tuple(caption.shape) or not np.isfinite(m).all():
            raise ValueError(f"text map {i} has shape {m.shape}, but its caption has {len(caption)} tokens with SOS "
                             "and EOS, each of which must have a finite value.")
        sought = np.isin(clip.tokenizer.words(caption.tolist())[1:-1], list(content))
        if sought.all() or not sought.any():
            raise ValueError(f"caption {i}, {pairs.caption.iloc[i]!r}, has {sought.sum()} of {len(sought)} words "
                             "in its content, so a map has nothing to tell apart; leave it out.")
        rows.append({"average_precision": expected_precision(m[1:-1], sought), "pointing": highest(m[1:-1], sought),
                     "average_precision_chance": expected_precision(np.zeros(len(sought)), sought),
                     "pointing_chance": sought.mean()})
    return pd.DataFrame(rows)


def highest(scores: np.ndarray, sought: np.ndarray) -> float:
    """Whether the highest score (N,) is sought (N,) bool; where several share it, the share of them that is."""
    return float(sought[scores == scores.max()].mean())


def expected_precision(scores: np.ndarray, sought: np.ndarray) -> float:
    """Average precision of scores (N,) for what is sought (N,) bool, the mean over all orders of equal scores.

    In a group of g equal scores, q of them sought, behind `before` others with `found` sought, the i-th
    place is sought with chance q / g, and then (i - 1)(q - 1) / (g - 1) of those ahead of it in the group are.
    """
    total = before = found = 0.0
    for value in np.unique(scores)[::-1]:
        group = sought[scores == value]
        g, q, i = len(group), group.sum(), np.arange(1, len(group) + 1)
        ahead = (i - 1) * (q - 1) / max(g - 1, 1)
        total += (q / g * (found + 1 + ahead) / (before + i)).sum()
        before, found = before + g, found + q
    return float(total / found)
