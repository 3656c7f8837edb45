"""One explanation of the picture: its caption, its method, its words and its map, and what of it is looked at."""
from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as widgets
import numpy as np

from ...methods import METHODS
from .options import Options
from .paint import Backdrop, Look, painted
from .pictures import Picture
from .session import Answer, Asked, Session
from .stage import Stage
from .words import Words


class Side(widgets.HBox):
    """Fields for a caption, a method and its options; below them words and picture.

    `ask` is called when something was changed that the model must answer, `look` when a word or a patch was clicked,
    and says whether it could be shown. Nothing that is seen changes before there is an answer.
    """

    def __init__(self, session: Session, ask: Callable[[], None], look: Callable[[], bool]):
        self.session, self.look = session, look
        wide = lambda: dict(style={"description_width": "5em"}, layout=widgets.Layout(width="auto"))
        self.caption = widgets.Text(description="caption", continuous_update=False, placeholder="a sentence", **wide())
        self.method = widgets.Dropdown(options=list(METHODS), description="method", **wide())
        self.options = Options(ask)
        self.drawer = widgets.Accordion([self.options], selected_index=None)
        self.drawer.set_title(0, "options of the method")
        self.words, self.stage, self.said = Words(self.at_word), Stage(self.at_patch), widgets.HTML()
        asks = widgets.VBox([self.caption, self.method, self.drawer, self.words, self.said]).add_class("nib-asks")
        super().__init__([asks, self.stage])
        self.add_class("nib-side")
        self.caption.observe(lambda change: ask(), names="value")
        self.method.observe(lambda change: ask(), names="value")
        self.focus: tuple[str, int] | None = None  # "word" or "patch", and its number; None: the whole caption
        self.asked, self.answer, self.behind = None, None, None  # what is seen

    def request(self, model: str, picture: Picture) -> Asked:
        """What the fields ask for; the options offered become those of the method and of the model."""
        clip = self.session.clip(model)
        self.options.offer(self.method.value, max(clip.image.depth, clip.text.depth))
        options = tuple(sorted(self.options.values.items()))
        return Asked(model, picture, self.caption.value, self.method.value, options)

    def take(self, asked: Asked, answer: Answer, behind: Backdrop) -> None:
        """What is to be seen from now on; of the same caption on the same picture, the same word or patch."""
        pair = lambda its: (its.model, its.picture, its.caption)
        if self.asked is None or pair(self.asked) != pair(asked):
            self.focus = None
        self.asked, self.answer, self.behind = asked, answer, behind

    def at_word(self, word: int | None) -> None:
        self.turn(None if word is None else ("word", word))

    def at_patch(self, patch: int) -> None:
        self.turn(("patch", patch))

    def turn(self, focus: tuple[str, int] | None) -> None:
        before, self.focus = self.focus, focus
        if not self.look():
            self.focus = before
            self.mark()

    def mark(self) -> None:
        """Of words and patches the one that is looked at is the chosen one, whatever was clicked."""
        kind, number = self.focus or (None, -1)
        self.words.buttons.choose(None if kind == "patch" else number + 1)
        self.stage.patches.choose(number if kind == "patch" else None)

    def draw(self, look: Look) -> None:
        """Show what there is: no model is run, unless a word or a patch is looked at for the first time."""
        kind, number = self.focus or (None, None)
        heat, said = self.answer.heat, f"similarity <b>{self.answer.similarity:.3f}</b>"
        known = [word.share for word in self.answer.words]
        if kind == "word":
            heat, line = self.session.word_heat(self.asked, number), self.of_word(number)
        elif kind == "patch":
            known, line = self.of_patch(number)
        else:
            line = "Click a word to see where it is, a patch to see which words it speaks for."
        picture = painted(self.behind, heat, look)
        words = [(word.text, share, word.known) for word, share in zip(self.answer.words, known)]
        self.words.show(words, look.absolute, number if kind == "word" else None, kind is None)
        self.said.value = f'<p class="nib-said">{said}<br>{line}</p>' + "".join(
            f'<p class="nib-note">{escape(note)}</p>' for note in self.notes())
        self.stage.show(picture, self.behind, self.answer.ex.clip.image.grid,
                        f"{self.asked.picture.name}, {self.asked.method}: {self.asked.caption}",
                        number if kind == "patch" else None)

    def of_word(self, word: int) -> str:
        """What a word adds, in words."""
        found, matrix = self.session.matrix(self.asked)
        text, gives = escape(self.answer.words[word].text), matrix[word].sum()
        return f"“{text}”: the patches give it <b>{gives:+.3f}</b> of the similarity{self.by(found.method)}."

    def of_patch(self, patch: int) -> tuple[list[float], str]:
        """What a patch gives to each word, as shares of the strongest of all patches and words; and that in words."""
        found, matrix = self.session.matrix(self.asked)
        rows, columns = matrix.shape[1:]
        gives = matrix.reshape(len(matrix), -1)[:, patch]
        most = int(np.abs(gives).argmax())
        line = (f"row {patch // columns + 1}, column {patch % columns + 1} gives {gives.sum():+.3f}, most of it to "
                f"“{escape(self.answer.words[most].text)}”, <b>{gives[most]:+.3f}</b>{self.by(found.method)}.")
        return (gives / (np.abs(matrix).max() or 1)).tolist(), line

    def by(self, method: str) -> str:
        return "" if method == self.asked.method else f" (words against patches by {method})"

    def notes(self) -> list[str]:
        notes = [note for note in self.answer.notes if "centre crop" not in note]  # said below, whenever it is so
        if self.behind.place[2:] != (1, 1):
            notes.append("what is pale is cropped away before the model sees the picture.")
        if not all(word.known for word in self.answer.words):
            notes.append(f"?: {self.asked.model} has never learnt this word, so what is said of it means nothing.")
        return notes
