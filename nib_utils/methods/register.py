"""What a method declares of itself, and the register that tables, notebooks and documents are made from."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

METHODS: dict[str, Callable] = {}
GROUPS = {"published": "compared in the NIB paper, as released", "canonical": "as their own papers define them",
          "rival": "what one would pick today",
          "reference": "try the model part by part: what explanations are held against, far dearer",
          "control": "know nothing of the pair, or are NIB spoilt"}


@dataclass(frozen=True)
class About:
    """What a user wants to know of a method before running it."""

    title: str
    group: str  # a key of GROUPS
    source: str
    forwards: float  # image forwards that a pair costs at most, both modalities, defaults, ViT-B/32, roughly
    gradients: bool = False  # does it need them?
    attention: bool = False  # does it read attention maps?
    noise: bool = False  # does a seed change it?
    signed: bool = False  # can a score be negative?
    pixels: bool = False  # does it score pixels (B, H, W) of an image, rather than tokens (B, T)?


def method(**about) -> Callable[[Callable], Callable]:
    """Enter a function `name(tower, reading, target, **options) -> scores` into METHODS under its own name.

    The arguments are About's fields. Raises ValueError for a name that is taken and for an unknown group.

    >>> @method(title="Gradient norm", group="rival", source="ours", forwards=3, gradients=True)
    ... def gradient_norm(tower, reading, target): ...
    """

    def register(function: Callable) -> Callable:
        name, function.about = function.__name__, About(**about)
        if function.about.group not in GROUPS:
            raise ValueError(f"method {name}: no group is called {about['group']!r}; there are {', '.join(GROUPS)}.")
        if name in METHODS and METHODS[name].__module__ != function.__module__:
            raise ValueError(f"a method called {name} is there already, in {METHODS[name].__module__}.")
        METHODS[name] = function
        return function

    return register
