"""Do the words that a map singles out matter? Measured on captions whose words are known to say something or not."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..maps.explanation import Explanation, check_explanation


def word_accuracy(ex: Explanation, content: Sequence[Sequence[str]]) -> pd.DataFrame:
    """How well text maps tell content words (size, texture, colour, shape) from "a", "and" and commas: a row per pair.

    ex: of `explain` or `explanation`, whose text maps' SOS and EOS are left out; content: the words that matter of
    each caption, the column content of load_pairs("shapes"). Columns, all in 0..1: average_precision of the words
    ranked by the map, equal ones in the order of chance (the mean over all orders); pointing, whether the highest
    word is a content word; and what a map that knows nothing gets, average_precision_chance and pointing_chance. Most
    words of a drawn caption are content, so chance is high. Raises ValueError for an explanation without text maps,
    for content of other captions, or captions where nothing can be told apart.

    >>> ex = nib.explain(clip, list(pairs.image), list(pairs.caption), only="text")
    >>> nib.word_accuracy(ex, pairs.content).mean()
    """
    check_explanation(ex, "text")
    content = list(content)
    if len(content) != len(ex):
        raise ValueError(f"{len(ex)} captions and {len(content)} lists of words were given; pass as many of each.")
    for i, wanted in enumerate(content):
        if isinstance(wanted, str):
            raise TypeError(f"content {i} is {wanted!r}, of which the letters would be taken; pass a list of words.")
    rows = []
    for i, (words, wanted, m) in enumerate(zip(ex.tokens, content, ex.text)):
        scores, sought = m[1:-1].double().numpy(), np.isin(words[1:-1], list(wanted))
        if sought.all() or not sought.any():
            raise ValueError(f"caption {i}, {ex.captions[i]!r}, has {sought.sum()} of {len(sought)} words "
                             "in its content, so a map has nothing to tell apart; leave it out.")
        rows.append({"average_precision": expected_precision(scores, sought), "pointing": highest(scores, sought),
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
