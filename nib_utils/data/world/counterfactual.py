"""Drawn pictures as they would be without one object, or with one attribute of it changed: exact, pixel by pixel."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
from PIL import Image

from ...common.checks import check_choice, check_whole
from . import hard_scenes, scenes
from .owners import word_objects
from .pairs import draw_pairs
from .scenes import ATTRIBUTES, Plan, Scene

WORLDS = {"shapes": scenes, "shapes-hard": hard_scenes}
KINDS = ("object", *ATTRIBUTES)
COLUMNS = ["pair", "caption", "kind", "object", "word", "places", "becomes", "shown", "image", "mask", "mask_after"]


def counterfactuals(name: str, n: int, seed: int = 0, *, values: int = 1, objects: int | None = None,
                    held_out: bool = True, start: int = 0) -> pd.DataFrame:
    """The drawn pictures of load_pairs(name, n=n, seed=seed, ...), each redrawn with one thing changed: a row a change.

    name: "shapes" or "shapes-hard"; n, seed and the other options as there. Each object, named or not, is taken away
    (kind "object"), and what each word of the caption says of one (kind "size", "texture", "colour" or "shape")
    becomes another value, chosen by the pair's own chance, or each of up to `values` others: blue may be further from
    red than orange is, and the mean over all others is the word's own (7 are all). All else stays: the ground,
    places, turns, brightness, and what lies above what, so that the picture differs in `mask` and `mask_after` alone.
    The caption is not true of it where a named object is changed. A change that breaks the world's rules (an object
    grown beyond the picture or upon another, say) is left out. A row takes 0.2 MB.

    Columns pair, the row in load_pairs; caption; kind; object, its number in the pair's objects and then `unnamed`;
    word, the one that stops being true of it, missing of kind "object"; places, list of int, where in the caption
    that word stands, or all four of an object taken away, none of an unnamed one (from 0 after SOS, commas being
    words); becomes, the new value, or missing; shown, list of Thing that are then in the picture; image, PIL; mask
    and mask_after, what is visible of the object in the old picture and in the new, (H, W) bool. Raises ValueError
    for another world, or values that do not fit.

    >>> changes = nib.counterfactuals("shapes", n=1)
    >>> changes[["kind", "word", "becomes"]]
    """
    check_choice("name", name, tuple(WORLDS))
    check_whole("n", n, 1)
    check_whole("seed", seed, 0)
    check_whole("values", values, 1)
    world = WORLDS[name]
    describe = lambda rng, scene: {"changes": list(changes(rng.spawn(1)[0], scene, world, values))}
    found = draw_pairs(world.draw_scene, describe, n, seed, objects, held_out, start)
    return pd.DataFrame([{"pair": i} | row for i, rows in enumerate(found["changes"]) for row in rows], columns=COLUMNS)


def changes(rng: np.random.Generator, scene: Scene, world, values: int) -> Iterator[dict]:
    """The changes of a scene that its world allows, at most `values` of each kind for each object, as rows."""
    owners = word_objects({"objects": scene.things})
    for i, (thing, mask) in enumerate(zip(scene.shown, scene.shown_masks)):
        words = np.flatnonzero(owners[:, i]).tolist() if i < len(scene.things) else []
        for kind in KINDS if words else KINDS[:1]:
            removed = kind == "object"
            legal = (change for change in changed(rng, scene.plan, i, kind) if world.is_legal(change[1]))
            for becomes, plan in islice(legal, values):
                after = world.paint(plan)
                yield {"caption": scene.caption, "kind": kind, "object": i,
                       "word": None if removed else getattr(thing, kind),
                       "places": words if removed else [words[list(ATTRIBUTES).index(kind)]],
                       "becomes": becomes, "shown": after.shown, "image": Image.fromarray(after.pixels), "mask": mask,
                       "mask_after": np.zeros_like(mask) if removed else after.shown_masks[i]}


def changed(rng: np.random.Generator, plan: Plan, i: int, kind: str) -> Iterator[tuple[str | None, Plan]]:
    """The plan without its i-th object, or with each other value of that object's attribute, in the order of chance."""
    before, old, after = plan.placed[:i], plan.placed[i], plan.placed[i + 1 :]
    if kind == "object":
        yield None, replace(plan, placed=before + after)
        return
    for k in rng.permutation(len(ATTRIBUTES[kind])):
        value = ATTRIBUTES[kind][k]
        if value != getattr(old.thing, kind):
            new = old._replace(thing=old.thing._replace(**{kind: value}))
            yield value, replace(plan, placed=[*before, new, *after])
