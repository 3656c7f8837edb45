"""Held-out scenes of `shapes-hard` as pairs, each with all that is known about it."""
from __future__ import annotations

import numpy as np
import pandas as pd

from . import hard_scenes
from . import pairs as drawn


def hard_pairs(n: int, seed: int = 0, *, objects: int | None = None, held_out: bool = True,
               start: int = 0) -> pd.DataFrame:
    """`n` drawn pairs, a row each (see `describe`); pair i depends on (seed, i) and the options alone.

    objects: how many are *named*, 1 to 4, or None for any. held_out: whether each caption names at least one
    triple that never occurs in training, or the scene shows only triples that do. start: the first pair.
    Raises ValueError otherwise.

    >>> hard_pairs(2, objects=1)["caption"].tolist()
    ['a small striped red triangle', 'a large plain purple square']
    """
    return drawn.draw_pairs(hard_scenes.draw_scene, describe, n, seed, objects, held_out, start)


def describe(rng: np.random.Generator, scene: hard_scenes.HardScene) -> dict:
    """A scene's row: that of `pairs.describe` at 240 x 240, and what the caption leaves out.

    masks, unnamed_masks: what is visible of each named and unnamed object, (n, 240, 240) bool; unnamed: list of
    Thing. No distractor is true of the picture, and no word of `absent` fits anything in it.
    """
    return drawn.describe(rng, scene) | {"unnamed": scene.unnamed, "unnamed_masks": scene.unnamed_masks}
