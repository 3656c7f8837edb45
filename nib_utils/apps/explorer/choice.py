"""Buttons of which one may be chosen: words of a caption, patches of a picture."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import uuid4

import ipywidgets as widgets


class Choice(widgets.ToggleButtons):
    """Many buttons that are one widget, so that a grid of 24 x 24 costs no more than a row of five.

    `heard` is called with the number of the button that a person chose, and not when the program chooses one. `id` is
    a class of its own, for rules of style.
    """

    def __init__(self, heard: Callable[[int], None], kind: str):
        super().__init__(options=[("", 0)], index=None)
        self.heard, self.id = heard, f"nib-{uuid4().hex[:8]}"
        self.add_class(kind)
        self.add_class(self.id)
        self.observe(self.hear, names="index")

    def hear(self, change) -> None:
        if change.new is not None:
            self.heard(change.new)

    def offer(self, labels: Sequence[str], hints: Sequence[str] = ()) -> None:
        """Other buttons, with what is said of each when it is pointed at; none is chosen."""
        self.unobserve(self.hear, names="index")
        if tuple(labels) != tuple(label for label, _ in self.options):
            self.tooltips = list(hints)
            self.options = [(label, i) for i, label in enumerate(labels)]
            self.index = None
        self.observe(self.hear, names="index")

    def choose(self, index: int | None) -> None:
        """Choose a button, or none, as a program does: nothing is heard."""
        self.unobserve(self.hear, names="index")
        self.index = index
        self.observe(self.hear, names="index")
