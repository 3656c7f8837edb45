"""Held-out scenes of the drawn world as pairs, each with all that is known about it."""
from __future__ import annotations

from itertools import combinations
from numbers import Integral

import numpy as np
import pandas as pd
from PIL import Image

from ...common.checks import brief, check_choice, check_whole
from . import scenes
from .scenes import ATTRIBUTES, Thing

DISTRACTORS = 25


def shapes_pairs(n: int, seed: int = 0, *, objects: int | None = None, held_out: bool = True,
                 start: int = 0) -> pd.DataFrame:
    """`n` drawn pairs, a row each (see `describe`); pair i depends on (seed, i) and the options alone.

    objects: how many each scene holds, 1 to 4, or None for any. held_out: whether each scene shows at
    least one triple that never occurs in training, or only triples that do. start: the first pair, so that
    many can be drawn some at a time. Raises ValueError otherwise.

    >>> shapes_pairs(2, objects=1)["caption"].tolist()
    ['a small dotted pink triangle', 'a large dotted pink triangle']
    """
    return draw_pairs(scenes.draw_scene, describe, n, seed, objects, held_out, start)


def draw_pairs(draw, describe, n: int, seed: int, objects: int | None, held_out: bool, start: int) -> pd.DataFrame:
    """`n` rows `describe(rng, scene)` of scenes `draw(rng, held_out, objects)`, for any drawn world."""
    whole = isinstance(objects, Integral) and not isinstance(objects, bool)
    if objects is not None and not (whole and 1 <= objects <= scenes.MAX_OBJECTS):
        raise ValueError(f"objects is {brief(objects)}; a scene holds 1 to {scenes.MAX_OBJECTS}, or None for any "
                         "number.")
    check_choice("held_out", held_out, (True, False))
    check_whole("start", start, 0)
    rngs = (pair_rng(seed, i) for i in range(start, start + n))
    return pd.DataFrame([describe(rng, draw(rng, bool(held_out), objects)) for rng in rngs])


def pair_rng(seed: int, i: int) -> np.random.Generator:
    """The i-th pair's own stream, which no training step draws from.

    Training seeds with (seed, step). NumPy ignores zeros at the end of a seed, so the mark stands last:
    (seed, 1, 0) would be training's step 1 again.
    """
    return np.random.default_rng([seed, i, 1])


def describe(rng: np.random.Generator, scene: scenes.Scene) -> dict:
    """A scene's row.

    image: PIL, 224 x 224 RGB; caption; phrases: list of str, one per object in caption order; masks:
    (len(phrases), 224, 224) bool; objects: list of Thing; distractors, swapped, content, absent: lists of str.
    """
    things, shown = scene.things, scene.shown
    content = [word for thing in things for word in thing]
    seen = {word for thing in shown for word in thing}
    return {
        "image": Image.fromarray(scene.pixels),
        "caption": scene.caption,
        "phrases": [thing.phrase for thing in things],
        "masks": scene.masks,
        "objects": things,
        "distractors": distractors(rng, things, shown),
        "swapped": swapped_colours(things, shown),
        "content": content,  # the words of the caption that matter: all but "a", "and" and commas
        "absent": [word for words in ATTRIBUTES.values() for word in words if word not in seen],
    }


def distractors(rng: np.random.Generator, things: list[Thing], shown: list[Thing],
                count: int = DISTRACTORS) -> list[str]:
    """`count` captions, each of another set of things than the rest, wrong in one attribute or one object.

    None is true of a picture of what is `shown`, which may be more than the things.
    """
    found: dict[frozenset[Thing], str] = {}
    while len(found) < count:
        changed = scenes.differing(rng, things)
        if not set(changed) <= set(shown):
            found.setdefault(frozenset(changed), scenes.caption(changed))
    return list(found.values())


def swapped_colours(things: list[Thing], shown: list[Thing] | None = None) -> list[str]:
    """The caption with the colours of two objects exchanged, for each pair of objects where that is not true too."""
    swaps = [scenes.swapped(things, "colour", i, j) for i, j in combinations(range(len(things)), 2)]
    return [scenes.caption(changed) for changed in swaps
            if not set(changed) <= set(shown or things) and len(set(changed)) == len(things)]
