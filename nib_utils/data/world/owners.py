"""Which word of a drawn caption belongs to which object."""
from __future__ import annotations

import numpy as np

from ...common.checks import brief
from .scenes import ATTRIBUTES


def word_objects(pair) -> np.ndarray:
    """Which word of a drawn caption belongs to which object that it names: (words, objects) bool.

    pair: a row of load_pairs("shapes") or ("shapes-hard"), whose `objects` are the columns. The rows are the words
    between SOS and EOS, as `ex.tokens[i][1:-1]` has them, commas being words too. An object's size, texture, colour
    and shape belong to it; "a", "and" and commas belong to none. Raises ValueError for a pair that was not drawn.

    >>> nib.word_objects(nib.load_pairs("shapes", n=1, objects=2).iloc[0]).sum(0)
    array([4, 4])
    """
    named = getattr(pair, "get", lambda _: None)("objects")
    if not isinstance(named, list):  # of a whole table it is a column
        raise ValueError(f"the pair is {brief(pair)}, without a list of objects; pass one row of drawn pairs.")
    phrase = [False] + [True] * len(ATTRIBUTES)  # "a small striped red star"
    things = np.eye(len(named), dtype=bool)
    parts = [row for i, own in enumerate(things) for row in np.outer(phrase if i == 0 else [False, *phrase], own)]
    return np.array(parts, bool).reshape(-1, len(things))
