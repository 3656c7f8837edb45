"""`shapes-hard`: the drawn world made hard, with its truth still known exactly.

Against `shapes` (whose words it shares): loud coloured grounds, objects that overlap, shapes turned by up to
30 degrees and textures by any angle, and in half of the scenes one or two objects that the caption leaves out.
Everything follows from a seed by integer arithmetic, so a scene is the same everywhere.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from . import scenes
from .scenes import COLOURS, MAX_OBJECTS, Plan, Scene, Thing, is_held_out, random_thing

SIDE = 240
RADIUS = {"small": 23, "large": 40}  # pixels
PERIOD = 12  # pixels from stripe to stripe, from dot to dot
LATTICE = 12  # centres lie on multiples of this
TURNS = 24  # angles are multiples of 360 / 24 degrees
SPREAD = 2  # by how many of them shapes are turned at most, to either side
ONE = 4096  # sine and cosine are whole multiples of 1 / ONE: no platform rounds them another way
SHRINK = {"diamond": (9, 14)}  # tenths, (height, width): so slim that no angle makes a square of it
VISIBLE = 0.6  # of every object, at least
DETAIL = 200  # radius at which outlines are sampled


@dataclass
class HardScene(Scene):
    """A scene whose caption leaves out `unnamed`; `masks` and `unnamed_masks` (m, 240, 240) are what is visible."""

    unnamed: list[Thing]
    unnamed_masks: np.ndarray

    @property
    def shown(self) -> list[Thing]:
        return self.things + self.unnamed

    @property
    def shown_masks(self) -> np.ndarray:
        return np.concatenate([self.masks, self.unnamed_masks])


class Pose(NamedTuple):
    """The box of an object, and by how many 24ths of a turn its shape and its texture are turned."""

    box: tuple[slice, slice]
    turn: int
    grain: int


class Placed(NamedTuple):
    """A thing turned around the point (y, x), upon those of lower layers, its colour `light` times 3 % brighter."""

    thing: Thing
    y: int
    x: int
    turn: int
    grain: int
    layer: int
    light: int
    named: bool

    @property
    def radius(self) -> int:
        return RADIUS[self.thing.size]

    @property
    def inside(self) -> np.ndarray:
        """Which pixels of its box belong to it, seen or hidden."""
        return outline(self.thing.shape, self.radius, self.turn)

    @property
    def box(self) -> tuple[slice, slice]:
        reach = len(self.inside) // 2
        return np.s_[self.y - reach : self.y + reach, self.x - reach : self.x + reach]


def draw_scene(rng: np.random.Generator, held_out: bool = False, count: int | None = None,
               spread: int = SPREAD) -> HardScene:
    """A random scene of `count` named objects: without held-out triples, or with at least one that is named.

    spread: by how many 24ths of a circle shapes are turned at most; less than SPREAD early in training.
    """
    count = count or int(rng.integers(1, MAX_OBJECTS + 1))
    total = count + (0, 0, 1, 2)[rng.integers(4)]
    while True:
        shown = [random_thing(rng) for _ in range(total)]
        right = any(map(is_held_out, shown[:count])) if held_out else not any(map(is_held_out, shown))
        if right and len(set(shown)) == total:
            poses = place(rng, shown, spread)
            if poses is not None:
                return paint(plan(rng, shown, count, poses))


def place(rng: np.random.Generator, things: list[Thing], spread: int = SPREAD,
          tries: int = 40) -> dict[int, Pose] | None:
    """Lay the things down one by one, in random order, half of them beside or upon one that lies already.

    Returns their poses by their number, the lowest first. What overlaps differs in colour and stays VISIBLE. None
    where no such place was found.
    """
    n = len(things)
    owner, poses = np.full((SIDE, SIDE), n, np.int8), {}  # poses: thing -> Pose, in the order of laying
    left, least = np.zeros(n + 1, np.int64), np.zeros(n + 1)  # pixels still visible, and how many must be
    for i in map(int, rng.permutation(n)):
        turn, grain = (int(v) for v in rng.integers(TURNS, size=2))
        turn = (turn * (2 * spread + 1) // TURNS - spread) % TURNS
        inside = outline(things[i].shape, RADIUS[things[i].size], turn)
        side, reach = len(inside), len(inside) // 2
        first, last = -(-reach // LATTICE), (SIDE - reach) // LATTICE  # centres whose box lies in the picture
        alike = np.array([*(thing.colour == things[i].colour for thing in things), False])
        near = poses[list(poses)[rng.integers(len(poses))]] if poses and rng.integers(2) else None
        for _ in range(tries):
            at = rng.integers(first, last + 1, 2)
            if near is not None:  # within reach of the other's box
                away = side * 3 // 4 // LATTICE
                at = [(part.start + part.stop) // 2 // LATTICE for part in near.box] + rng.integers(-away, away + 1, 2)
            y, x = (int(v) * LATTICE - reach for v in np.clip(at, first, last))
            box = np.s_[y : y + side, x : x + side]
            hidden = np.bincount(owner[box][inside], minlength=n + 1)
            hidden[n] = 0
            if (left - hidden >= least).all() and not hidden[alike].any():
                break
        else:
            return None
        owner[box][inside] = i
        left -= hidden
        left[i], least[i] = inside.sum(), VISIBLE * inside.sum()
        poses[i] = Pose(box, turn, grain)
    return poses


def plan(rng: np.random.Generator, shown: list[Thing], count: int, poses: dict[int, Pose]) -> Plan:
    """What `place` laid down, over a fresh ground, each a little brighter or darker; the first `count` are named."""
    fresh, layers = ground(rng), list(poses)
    middles = [[(part.start + part.stop) // 2 for part in poses[i].box] for i in range(len(shown))]
    return Plan(fresh, [Placed(thing, *middle, poses[i].turn, poses[i].grain, layers.index(i),
                               int(rng.integers(-3, 4)), i < count)
                        for i, (thing, middle) in enumerate(zip(shown, middles))])


def lay(placed: list[Placed]) -> tuple[np.ndarray, np.ndarray]:
    """Which thing each pixel shows (240, 240), n for the ground, and how much of j is hidden by i, (n, n) pixels."""
    n = len(placed)
    owner, hidden = np.full((SIDE, SIDE), n, np.int8), np.zeros((n, n), np.int64)
    for i in sorted(range(n), key=lambda i: placed[i].layer):
        part = owner[placed[i].box]
        hidden[i] = np.bincount(part[placed[i].inside], minlength=n + 1)[:n]
        part[placed[i].inside] = i
    return owner, hidden


def is_legal(plan: Plan) -> bool:
    """Whether it is a plan of this world: things differ, lie in the picture and stay VISIBLE, none upon its colour."""
    things = [p.thing for p in plan.placed]
    if len(set(things)) < len(things) or any(part.start < 0 or part.stop > SIDE for p in plan.placed for part in p.box):
        return False
    _, hidden = lay(plan.placed)
    visible = all(p.inside.sum() - loss >= VISIBLE * p.inside.sum() for p, loss in zip(plan.placed, hidden.sum(0)))
    colours = np.array([thing.colour for thing in things])
    return visible and not hidden[colours[:, None] == colours].any()


def paint(plan: Plan) -> HardScene:
    """The scene of a plan."""
    (owner, _), pixels = lay(plan.placed), plan.ground.copy()
    for i, p in enumerate(plan.placed):
        colour = np.asarray(COLOURS[p.thing.colour]) * (100 + 3 * p.light) // 100
        visible, part = owner[p.box] == i, pixels[p.box]
        part[visible] = colour.clip(0, 255)
        part[visible & texture(p.thing.texture, p.radius, p.grain)] = colour * 3 // 10
    masks = owner == np.arange(len(plan.placed), dtype=np.int8)[:, None, None]
    shown, count = [p.thing for p in plan.placed], sum(p.named for p in plan.placed)
    return HardScene(shown[:count], pixels, masks[:count], plan, shown[count:], masks[count:])


def turned(radius: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Turned coordinates (y, x) of the pixels in an object's box, in 1 / (2 ONE) of a pixel from its centre."""
    reach = radius * 6 // 5 + 1  # the corners of a square
    cos, sin = (round(ONE * f(2 * math.pi * turn / TURNS)) for f in (math.cos, math.sin))
    y, x = np.mgrid[-reach:reach, -reach:reach] * 2 + 1  # twice the pixels' middles
    return y * cos - x * sin, y * sin + x * cos


@lru_cache(None)
def outline(shape: str, radius: int, turn: int) -> np.ndarray:
    """Which pixels of its box belong to the turned shape: the fine outline of `shapes`, looked up."""
    fine = np.pad(scenes.outline(shape, DETAIL), 1)
    row, column = (v * DETAIL * tenths // (20 * ONE * radius) + len(fine) // 2
                   for v, tenths in zip(turned(radius, turn), SHRINK.get(shape, (10, 10))))
    return fine[row.clip(0, len(fine) - 1), column.clip(0, len(fine) - 1)]


@lru_cache(None)
def texture(name: str, radius: int, turn: int) -> np.ndarray:
    """Which pixels of an object's box the turned texture darkens."""
    y, x = turned(radius, turn)
    period = PERIOD * 2 * ONE
    if name == "striped":
        return y % period < period // 2
    if name == "dotted":
        y, x = ((v + period // 2) % period - period // 2 for v in (y, x))
        return y * y + x * x <= 12 * (2 * ONE) ** 2
    return np.zeros(y.shape, bool)


def ground(rng: np.random.Generator) -> np.ndarray:
    """Coloured 1/f noise, (240, 240, 3) uint8, of 20 to 75 grey levels standard deviation; one in five is quiet."""
    field = noise()[rng.integers(len(noise()))]
    field = np.roll(field, tuple(int(v) for v in rng.integers(SIDE, size=2)), (0, 1))
    field *= np.int16(rng.integers(20, 76) if rng.integers(5) else rng.integers(4, 20))
    field >>= 6
    field += rng.integers(60, 190, 3).astype(np.int16)
    return field.clip(0, 255, out=field).astype(np.uint8)


@lru_cache
def noise(count: int = 24) -> np.ndarray:
    """A bank of noise that repeats at its edges, (count, 240, 240, 3) int16 of standard deviation 64.

    Octaves of like strength add up to 1/f: each is coarse values, linearly interpolated (which leaves 2/3 of
    the standard deviation), and moved to a place of its own.
    """
    rng = np.random.default_rng(1)
    total = np.zeros((count, SIDE, SIDE, 3), np.int64)
    cells = (60, 30, 15, 8, 4, 2)
    for cell in cells:
        coarse = rng.integers(-68, 69, (count, SIDE // cell, SIDE // cell, 3))  # uniform: 68 * 2/3 * sqrt(6 / 3) = 64
        shift = tuple(int(v) for v in rng.integers(SIDE, size=2))
        total += np.roll(scenes.interpolated(coarse, cell), shift, (1, 2))
    return total.clip(-400, 400).astype(np.int16)
