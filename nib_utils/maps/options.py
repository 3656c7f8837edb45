"""What may be asked of a method: its name, its options, its seeds."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from numbers import Integral, Real

import torch

from ..clip.clip import Clip
from ..methods import METHODS


def find(method: str) -> Callable:
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"no method is called {method!r}; there are {', '.join(METHODS)}.")
    return METHODS[method]


def check_request(clip: Clip, method: str, per_tower: dict, only: str | None = None, text_target: str = "own",
                  batch_size: int | None = None) -> Callable:
    """The method's function, when everything that was asked of `explain` makes sense."""
    if not isinstance(clip, Clip):
        raise TypeError(f"the first argument is a {type(clip).__name__}; pass load_clip(...) or wrap(model).")
    function = find(method)
    for given in per_tower.values():
        check_options(method, function, given)
    if only not in (None, "image", "text"):
        raise ValueError(f"only is {only!r}; it takes 'image', 'text' or None for both.")
    if text_target not in ("own", "batch"):
        raise ValueError(f"text_target is {text_target!r}; it takes 'own' or 'batch'.")
    if batch_size is not None and not (isinstance(batch_size, Integral) and batch_size >= 1):
        raise ValueError(f"batch_size is {batch_size!r}; it takes at least 1.")
    return function


def check_options(name: str, function: Callable, options: dict) -> None:
    """Refuse an option that the method does not have, or a value of another type than its default's."""
    known = {k: p for k, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}
    for key, value in options.items():
        if key not in known:
            raise TypeError(f"{name} has no option {key!r}; it has {', '.join(known) or 'none'}.")
        default = known[key].default
        kind = next((k for k in (Integral, Real, str) if isinstance(default, k)), Integral)  # None: a layer
        if key == "seed" and isinstance(value, Sequence) and not isinstance(value, str):
            continue
        if "Tensor" in str(known[key].annotation):
            if value is not None and not isinstance(value, torch.Tensor):
                raise TypeError(f"{name}: option {key!r} takes a tensor, not a {type(value).__name__}.")
            continue
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and not isinstance(default, bool))
        if wrong and not (value is None and default is None):
            words = {Integral: "an integer", Real: "a number", str: "a string"}[kind]
            raise TypeError(f"{name}: option {key!r} takes {words}, not {value!r}.")


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
