"""A caption's words on grounds of their colours, every one of which can be clicked."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from .choice import Choice
from .paint import css

WHOLE = "whole caption"


class Words(widgets.VBox):
    """A button for the whole caption, and one for each word; `heard` is called with a word's place, or with None."""

    def __init__(self, heard: Callable[[int | None], None]):
        self.style_of, self.buttons = widgets.HTML(), Choice(lambda i: heard(i - 1 if i else None), "nib-words")
        self.style_of.add_class("nib-rules")
        super().__init__([self.style_of, self.buttons])

    def show(self, words: Sequence[tuple[str, float, bool]], absolute: bool, chosen: int | None, whole: bool) -> None:
        """words: each with its share in -1..1, and whether the model knows it; whole: is the caption chosen?"""
        self.buttons.offer([WHOLE, *(word for word, _, _ in words)],
                           [f"the map of the {WHOLE}", *(f"where the picture has “{word}”" for word, _, _ in words)])
        self.buttons.choose(0 if whole else None if chosen is None else chosen + 1)
        here, rules = f".{self.buttons.id} button:nth-of-type", []
        for i, (_, share, known) in enumerate(words, 2):
            colour, ink = css(share, absolute)
            number = f"{abs(share):.2f}" if absolute else f"{share:+z.2f}"
            rules.append(f"{here}({i}) {{background: {colour} !important; color: {ink} !important"
                         f"{'' if known else '; border: 1px dashed black !important'}}}"
                         f'{here}({i})::after {{content: "{"" if known else "? "}{number}"}}')
        if whole or chosen is not None:
            rules.append(f"{here}({1 if whole else chosen + 2}) {{outline: 3px solid #1976d2; outline-offset: 1px}}")
        self.style_of.value = f"<style>{' '.join(rules)}</style>"
