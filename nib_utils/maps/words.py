"""Scores of tokens made into scores of words."""
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ..clip.clip import Clip
from .maps import shares


class Word(NamedTuple):
    """A word of a caption and what a method says of it."""

    text: str
    score: float  # the sum of its pieces' scores, in the method's own unit
    share: float  # of the strongest word's, -1..1: what pictures show
    known: bool  # has the model an embedding of it? if not, what is said of it means nothing


def words_of(clip: Clip, ids: Tensor, scores: Tensor) -> list[Word]:
    """The words of a caption, ids and scores (T,); SOS and EOS, whose scores would swamp theirs, are none."""
    spans = clip.tokenizer.spans(ids.tolist())
    sums = scores.new_tensor([scores[place].sum() for _, place in spans])
    known = clip.text.parts["vocabulary"][ids].any(-1)  # (T,); mini has zeros for what it never saw
    return [Word(text, score, share, bool(known[place].all()))
            for (text, place), score, share in zip(spans, sums.tolist(), shares(sums).tolist())]
