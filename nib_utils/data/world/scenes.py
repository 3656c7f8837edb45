"""`shapes`: a drawn world of captioned scenes whose truth is known exactly.

A scene holds one to four objects (size, texture, colour, shape) on a cluttered grey ground, and a
caption that names them: "a small striped red star and a large plain blue ring". Everything follows
from a seed by integer arithmetic and plain float64 products, so a scene is the same everywhere.
One eighth of the (colour, texture, shape) triples never occurs in training (`is_held_out`).
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

SIDE = 224
SIZES = ("small", "large")
TEXTURES = ("plain", "striped", "dotted")
COLOURS = {"red": (214, 39, 40), "orange": (250, 140, 30), "yellow": (240, 220, 60), "green": (44, 160, 60),
           "blue": (45, 90, 215), "purple": (130, 50, 170), "pink": (250, 150, 200), "white": (248, 248, 248)}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "diamond")
ATTRIBUTES = {"size": SIZES, "texture": TEXTURES, "colour": tuple(COLOURS), "shape": SHAPES}
RADIUS = {"small": 23, "large": 40}  # pixels
LATTICE = 16  # centres lie on multiples of this, and textures repeat with it
MAX_OBJECTS = 4


class Thing(NamedTuple):
    """One object's attributes, in the order in which a caption says them."""

    size: str
    texture: str
    colour: str
    shape: str

    @property
    def phrase(self) -> str:
        return "a " + " ".join(self)


class Placed(NamedTuple):
    """A thing at the lattice point (y, x), moved by (dy, dx) pixels, its colour `light` times 3 % brighter."""

    thing: Thing
    y: int
    x: int
    dy: int
    dx: int
    light: int


@dataclass
class Plan:
    """All that a picture is painted from, so that with one thing changed it is another there alone."""

    ground: np.ndarray
    placed: list  # what the caption names comes first, in its order


@dataclass
class Scene:
    """A picture with its truth: `pixels` (224, 224, 3) uint8, `masks` (n, 224, 224) bool, one per object."""

    things: list[Thing]
    pixels: np.ndarray
    masks: np.ndarray
    plan: Plan

    @property
    def caption(self) -> str:
        return caption(self.things)

    @property
    def shown(self) -> list[Thing]:
        """All that can be seen, said or not; `shown_masks` are theirs."""
        return self.things

    @property
    def shown_masks(self) -> np.ndarray:
        return self.masks


def caption(things: list[Thing]) -> str:
    """The sentence that names the things in order: "a ..., a ... and a ..."."""
    phrases = [thing.phrase for thing in things]
    return " and ".join(part for part in (", ".join(phrases[:-1]), phrases[-1]) if part)


def is_held_out(thing: Thing) -> bool:
    """Whether the (colour, texture, shape) triple is kept out of training; every pair still occurs there."""
    c, t, s = tuple(COLOURS).index(thing.colour), TEXTURES.index(thing.texture), SHAPES.index(thing.shape)
    return (c + 2 * t + 3 * s) % 8 == 0


def draw_scene(rng: np.random.Generator, held_out: bool = False, count: int | None = None) -> Scene:
    """A random scene: without held-out triples for training, or with at least one of them for testing."""
    count = count or int(rng.integers(1, MAX_OBJECTS + 1))
    while True:
        things = [random_thing(rng) for _ in range(count)]
        if len(set(things)) == count and any(map(is_held_out, things)) == held_out:
            places = place(rng, [RADIUS[thing.size] for thing in things])
            if places is not None:
                return paint(plan(rng, things, places))


def random_thing(rng: np.random.Generator) -> Thing:
    return Thing(*(values[rng.integers(len(values))] for values in ATTRIBUTES.values()))


def place(rng: np.random.Generator, radii: list[int], tries: int = 40) -> list[tuple[int, int]] | None:
    """Centres (row, column) on the lattice at which objects of these radii neither touch nor leave the picture."""
    centres: list[tuple[int, int]] = []
    for radius in radii:
        for _ in range(tries):
            centre = tuple(int(v) * LATTICE for v in rng.integers(*span(radius), 2))
            if all(apart(centre, radius, *other) for other in zip(centres, radii)):
                centres.append(centre)
                break
        else:
            return None
    return centres


def span(radius: int) -> tuple[int, int]:
    """The first line of the lattice on which an object lies within the picture, and the first beyond the last."""
    return -(-(radius + 2) // LATTICE), (SIDE - radius - 2) // LATTICE + 1


def apart(centre: tuple[int, int], radius: int, other: tuple[int, int], reach: int) -> bool:
    """Whether objects of these radii at these lattice points do not touch."""
    return max(abs(centre[0] - other[0]), abs(centre[1] - other[1])) > radius + reach + 3


def plan(rng: np.random.Generator, things: list[Thing], centres: list[tuple[int, int]]) -> Plan:
    """The things at their centres over a fresh ground, with a little jitter in place and brightness."""
    fresh = ground(rng)
    return Plan(fresh, [Placed(thing, *at, *rng.integers(-3, 4, 3).tolist()) for thing, at in zip(things, centres)])


def is_legal(plan: Plan) -> bool:
    """Whether it is a plan of this world: all things differ, and none touches another or leaves the picture."""
    lies = [((p.y, p.x), RADIUS[p.thing.size]) for p in plan.placed]
    inside = all(v // LATTICE in range(*span(radius)) for at, radius in lies for v in at)
    clear = all(apart(*one, *other) for one, other in combinations(lies, 2))
    return inside and clear and len({p.thing for p in plan.placed}) == len(lies)


def paint(plan: Plan) -> Scene:
    """The scene of a plan."""
    pixels, masks = plan.ground.copy(), np.zeros((len(plan.placed), SIDE, SIDE), bool)
    for (thing, y, x, dy, dx, light), mask in zip(plan.placed, masks):
        r = RADIUS[thing.size] + 2
        inside, box = outline(thing.shape, r - 2), np.s_[y + dy - r : y + dy + r, x + dx - r : x + dx + r]
        colour = (np.asarray(COLOURS[thing.colour]) * (100 + 3 * light) // 100).clip(0, 255)
        pixels[box][inside] = colour
        pixels[box][inside & texture(thing.texture)[box]] = colour * 3 // 10
        mask[box] = inside
    return Scene([p.thing for p in plan.placed], pixels, masks, plan)


@lru_cache
def outline(shape: str, radius: int) -> np.ndarray:
    """Which pixels of a (2 r + 4)^2 box belong to the shape."""
    y, x = np.mgrid[-radius - 2 : radius + 2, -radius - 2 : radius + 2] + 0.5
    y, x = y / radius, x / radius  # unit coordinates, y down
    if shape == "circle":
        return x * x + y * y <= 0.9
    if shape == "ring":
        return (x * x + y * y <= 1.0) & (x * x + y * y >= 0.30)
    if shape == "square":
        return np.maximum(abs(x), abs(y)) <= 0.82
    if shape == "diamond":
        return 1.25 * abs(x) + abs(y) <= 1.0
    if shape == "triangle":
        return (y <= 0.75) & (2 * abs(x) <= y + 1.0)
    if shape == "cross":
        return (np.minimum(abs(x), abs(y)) <= 0.28) & (np.maximum(abs(x), abs(y)) <= 0.95)
    if shape == "heart":
        lobes = (abs(x) - 0.45) ** 2 + (y + 0.35) ** 2 <= 0.25
        return lobes | ((y > -0.35) & (abs(x) * 1.35 + y * 1.0 <= 0.92))
    if shape == "star":
        return star(y, x)
    raise ValueError(f"no shape is called {shape!r}; the world has {', '.join(SHAPES)}")


def star(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A five-pointed star: the points inside at least four of its pentagram's five edges."""
    c1, s1, c2, s2 = 0.30901699, 0.95105652, -0.80901699, 0.58778525  # cos and sin of 72 and 144 degrees
    normals = [(0.0, 1.0), (s1, c1), (s2, c2), (-s2, c2), (-s1, c1)]  # of the edges, as (x, y)
    return sum((x * u + y * v <= 0.33).astype(np.int64) for u, v in normals) >= 4


@lru_cache
def texture(name: str) -> np.ndarray:
    """Which pixels of the whole picture the texture darkens; aligned to the patch grid."""
    y, x = np.mgrid[:SIDE, :SIDE]
    if name == "striped":
        return y % LATTICE < LATTICE // 2
    if name == "dotted":
        return ((y + 8) % LATTICE - 8) ** 2 + ((x + 8) % LATTICE - 8) ** 2 <= 20
    return np.zeros((SIDE, SIDE), bool)


def ground(rng: np.random.Generator) -> np.ndarray:
    """A grey ground with soft noise and scattered specks, (224, 224, 3) uint8."""
    soft = noise()[rng.integers(len(noise()))]
    soft = np.roll(soft, tuple(int(v) for v in rng.integers(0, SIDE, 2)), (0, 1))
    pixels = soft + (rng.integers(17, 33, 3) + rng.integers(50, 90)).astype(np.uint8)
    for y, x, h, w, grey in rng.integers((0, 0, 2, 2, 40), (SIDE, SIDE, 12, 12, 200), (14, 5)):
        pixels[y : y + h, x : x + w] = grey
    return pixels


@lru_cache
def noise(count: int = 24) -> np.ndarray:
    """A bank of soft noise, (count, 224, 224, 3) uint8 in 0..50: coarse values, linearly interpolated."""
    rng = np.random.default_rng(0)
    return interpolated(rng.integers(0, 51, (count, SIDE // 16, SIDE // 16, 3)), 16).astype(np.uint8)


def interpolated(field: np.ndarray, cell: int) -> np.ndarray:
    """Coarse integers (count, n, m, C) made `cell` x `cell` pixels each, linearly, round at the edges."""
    for axis in (1, 2):
        after = np.repeat(np.roll(field, -1, axis), cell, axis)
        before = np.repeat(field, cell, axis)
        weight = (np.arange(before.shape[axis]) % cell).reshape([-1 if a == axis else 1 for a in range(4)])
        field = (before * (cell - weight) + after * weight) // cell
    return field


def differing(rng: np.random.Generator, things: list[Thing]) -> list[Thing]:
    """The things with one attribute of one of them changed, or (one time in five) one of them replaced."""
    while True:
        i, changed = int(rng.integers(len(things))), list(things)
        if rng.integers(5) == 0:
            changed[i] = random_thing(rng)
        else:
            name = list(ATTRIBUTES)[rng.integers(len(ATTRIBUTES))]
            changed[i] = things[i]._replace(**{name: ATTRIBUTES[name][rng.integers(len(ATTRIBUTES[name]))]})
        if set(changed) != set(things) and len(set(changed)) == len(things):
            return changed


def swapped(things: list[Thing], name: str, i: int, j: int) -> list[Thing]:
    """The things with one attribute exchanged between the i-th and the j-th: a test of binding."""
    changed = list(things)
    changed[i] = things[i]._replace(**{name: getattr(things[j], name)})
    changed[j] = things[j]._replace(**{name: getattr(things[i], name)})
    return changed
