"""What may be asked of a method: its name, its options, its seeds."""
from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Integral, Real

import torch

from ..clip.clip import Clip
from ..common.checks import check_seed, whole
from ..common.sentences import brief, lacks, nobody
from ..methods import METHODS


def find(method: str) -> Callable:
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(nobody("method", method, METHODS))
    return METHODS[method]


def check_request(clip: Clip, method: str, per_tower: dict, only: str | None = None, text_target: str = "own",
                  batch_size: int | None = None) -> Callable:
    """The method's function, when everything that was asked of `explain` makes sense."""
    if not isinstance(clip, Clip):
        raise TypeError(f"the first argument is a {type(clip).__name__}; pass load_clip(...) or wrap(model).")
    function = find(method)
    for given in per_tower.values():
        check_options(method, function, given)
    if only is not None and not (isinstance(only, str) and only in ("image", "text")):
        raise ValueError(f"only is {brief(only)}; it takes 'image', 'text' or None for both.")
    if not isinstance(text_target, str) or text_target not in ("own", "batch"):
        raise ValueError(f"text_target is {brief(text_target)}; it takes 'own' or 'batch'.")
    if batch_size is not None and (not whole(batch_size) or batch_size < 1):
        raise ValueError(f"batch_size is {brief(batch_size)}; it takes at least 1.")
    return function


def per_tower(options: dict, image_options: dict | None, text_options: dict | None) -> dict[str, dict]:
    """The options of each tower: those of both, and over them its own."""
    asked = {"image": image_options, "text": text_options}
    for kind, own in asked.items():
        if own is not None and not (isinstance(own, dict) and all(isinstance(key, str) for key in own)):
            raise TypeError(f"{kind}_options are {brief(own)}; pass a dict of options by name, as {{'layer': 9}}.")
    return {kind: options | (own or {}) for kind, own in asked.items()}


def check_options(name: str, function: Callable, options: dict) -> None:
    """Refuse an option that the method does not have, or a value of another kind than its default's.

    Whole numbers are at least 1 where the default is, as masks and samples are, else at least 0 (None stands for one);
    numbers are finite. What else a method asks of an option it checks itself.
    """
    known = {k: p for k, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for key, value in options.items():
        if key not in known:
            raise TypeError(lacks(name, "option", key, known))
        default = known[key].default
        if key == "seed":
            check_seed(f"{name}: seed", value)
            continue
        if "Tensor" in str(known[key].annotation):
            fits, takes = isinstance(value, torch.Tensor), "a tensor"
        elif isinstance(default, bool):
            fits, takes = isinstance(value, bool), "True or False"
        elif isinstance(default, str):
            fits, takes = isinstance(value, str), "a string"
        elif isinstance(default, float):
            fits, takes = isinstance(value, Real) and not isinstance(value, bool), "a number"
        else:
            fits, takes = whole(value), "an integer"
        if not fits and not (value is None and default is None):
            raise TypeError(f"{name}: option {key!r} takes {takes}, not {brief(value)}.")
        if takes == "a number" and not math.isfinite(value):
            raise ValueError(f"{name}: option {key!r} is {value}; it takes a finite number.")
        least = 1 if default or key in ("masks", "samples") else 0
        if takes == "an integer" and value is not None and value < least:
            raise ValueError(f"{name}: {key} is {value}; it takes at least {least}.")


def check_seeds(per_tower: dict, count: int) -> None:
    for given in per_tower.values():
        if not isinstance(given.get("seed", 0), Integral) and len(given["seed"]) != count:
            raise ValueError(f"{len(given['seed'])} seeds for {count} pairs; pass one integer or one seed per pair.")


def seeded(options: dict, function: Callable, pairs: slice) -> dict:
    """The options for this batch: a stochastic method's pair i has seed + i, whatever it is batched with."""
    if "seed" not in inspect.signature(function).parameters:
        return options
    seed = options.get("seed", 0)
    return options | {"seed": seed + pairs.start if isinstance(seed, Integral) else list(seed)[pairs]}
