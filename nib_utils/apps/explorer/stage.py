"""The picture with its map, every patch of which can be clicked."""
from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from .choice import Choice
from .paint import Backdrop

TALLEST = 440  # pixels on the page


class Stage(widgets.Box):
    """An image under a grid of clear buttons, a patch each; `heard` is called with the number of the clicked one."""

    def __init__(self, heard: Callable[[int], None]):
        self.image, self.patches = widgets.HTML(), Choice(heard, "nib-patches")
        super().__init__([self.image, self.patches])
        self.add_class("nib-stage")

    def show(self, painted: str, behind: Backdrop, grid: tuple[int, int], says: str, chosen: int | None) -> None:
        """painted: the image's address; grid: (gh, gw) patches; says: the image in words, for who cannot see it."""
        rows, columns = grid
        names = [f"row {i + 1}, column {j + 1}" for i in range(rows) for j in range(columns)]
        self.patches.offer(names, names)
        self.patches.choose(chosen)
        h, w = behind.pixels.shape[:2]
        left, top, width, height = (f"{100 * share:.3f}%" for share in behind.place)
        here = f".{self.patches.id}"
        rules = [f"{here} {{left: {left}; top: {top}; width: {width} !important; height: {height} !important}}",
                 f"{here} > div {{grid-template: repeat({rows}, 1fr) / repeat({columns}, 1fr)}}"]
        if chosen is not None:
            rules.append(f"{here} button:nth-of-type({chosen + 1}) "
                         "{outline: 2px solid black !important; box-shadow: 0 0 0 4px white !important; z-index: 1}")
        self.image.value = (f'<style>{" ".join(rules)}</style><img src="{painted}" alt="{escape(says)}" '
                            f'style="max-width: {min(TALLEST, round(TALLEST * w / h))}px">')
