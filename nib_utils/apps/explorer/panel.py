"""The panel: a picture, a model, one or two sides, how they are shown, and what went wrong, in a sentence."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from html import escape

import ipywidgets as widgets

from ...common.files import HERE
from ...common.packages import first_line
from ..batch.results import Results
from ..patience import LONG
from .memory import Memory
from .paint import Backdrop, Look, backdrop, scale
from .pictures import DRAWN, Picture, distinct, uploaded
from .save import save
from .session import Answer, Asked, Session
from .side import Side
from .work import Stopped, Work

STYLE = HERE / "apps" / "explorer" / "explorer.css"
SAID = (ValueError, TypeError, OSError, RuntimeError, ImportError)  # that say what is wrong in a sentence of their own


class Panel(widgets.VBox):
    """What `nib.explorer` gives: a widget that shows itself as the last line of a cell.

    session: models and what they said; pictures: those to choose from, beside drawn scenes and uploads; store: where
    `save` writes. It asks the model at once, and raises what `explain` raises; whatever goes wrong later is said in
    the panel, and leaves what is seen.
    """

    def __init__(self, session: Session, pictures: list[Picture], captions: list[str], method: str, scene: int,
                 options: dict, store: Results):
        self.session, self.store, self.backdrops, self.filling = session, store, Memory(8), False
        self.work, self.wanted = Work(), None  # wanted: the picture that was last asked for, be it seen or not
        self.saved: dict[str, dict] = {}  # what is in the store, by name
        self.pictures: dict[str, Picture] = {}
        for picture in pictures:
            self.pictures[distinct(picture.name, [*self.pictures, *DRAWN])] = picture
        narrow = lambda: dict(style={"description_width": "4em"}, layout=widgets.Layout(width="14em"))
        self.source = widgets.Dropdown(options=[*self.pictures, *DRAWN], description="picture", **narrow())
        self.number = widgets.BoundedIntText(scene, min=0, max=10**6, description="number", **narrow())
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="upload a picture",
                                         layout=widgets.Layout(width="12em"))
        self.model = widgets.Dropdown(options=list(session.given), description="model", **narrow())
        self.two = widgets.Checkbox(len(captions) > 1, description="two side by side", indent=False,
                                    layout=widgets.Layout(width="10em"))
        self.opacity = widgets.FloatSlider(0.8, min=0, max=1, step=0.05, description="opacity", readout_format=".2f",
                                           style={"description_width": "4em"}, layout=widgets.Layout(width="18em"))
        self.colours = widgets.ToggleButtons(options=[("signed", False), ("absolute", True)],
                                             style={"button_width": "6em"})
        self.outline = widgets.Checkbox(False, description="outline", indent=False, layout=widgets.Layout(width="6em"))
        self.legend, self.message = widgets.HTML(), widgets.HTML()
        self.saves = widgets.Button(description="save", icon="download", layout=widgets.Layout(width="8em"),
                                    tooltip="figure and scores, into results")
        self.stops = widgets.Button(description="stop", icon="stop", layout=widgets.Layout(width="8em"),
                                    tooltip="end what is being worked out; what is seen stays")
        self.sides = [Side(session, self.ask, self.click) for _ in range(2)]
        row = lambda *parts: widgets.HBox(parts).add_class("nib-row")
        self.busy = widgets.HTML()
        self.working = row(self.busy, self.stops)
        self.working.layout.display = "none"
        self.views = row(*self.shown).add_class("nib-sides")
        super().__init__([
            widgets.HTML(f"<style>{STYLE.read_text(encoding='utf-8')}</style>"),
            row(self.source, self.number, self.upload, self.model, self.two), self.working, self.message, self.views,
            row(self.opacity, self.colours, self.outline, self.legend, self.saves)])
        self.add_class("nib-explorer")
        self.begin(captions, method, options)
        for field, heard in ((self.source, self.ask), (self.number, self.ask), (self.model, self.ask),
                             (self.two, self.beside), (self.upload, self.receive), (self.opacity, self.draw),
                             (self.colours, self.draw), (self.outline, self.draw)):
            field.observe(lambda change, heard=heard: heard(), names="value")
        self.saves.on_click(lambda button: self.attempt(self.press_save))
        self.stops.on_click(lambda button: self.press_stop())

    def begin(self, captions: list[str], method: str, options: dict) -> None:
        """Fill in the fields, and show the first answers."""
        other = next(name for name in ("attn_lrp", "nib_held") if name != method)
        with self.filled():
            own = captions or [self.picture().caption or "a picture"]
            for side, caption, name in zip(self.sides, [*own, own[0]], [method, method if own[1:] else other]):
                side.caption.value, side.method.value = caption, name
                clip = self.session.clip(self.model.value)
                side.options.offer(name, max(clip.image.depth, clip.text.depth), options if name == method else None)
        asked = self.request()
        self.show(asked, *self.read(asked))

    @contextmanager
    def filled(self):
        """While the program fills in fields, nothing is asked of the model."""
        self.filling = True
        try:
            yield
        finally:
            self.filling = False

    @property
    def shown(self) -> list[Side]:
        return self.sides[: 2 if self.two.value else 1]

    def picture(self) -> Picture:
        """The one that is chosen."""
        name = self.source.value
        return self.session.scene(name, self.number.value) if name in DRAWN else self.pictures[name]

    def ask(self) -> None:
        """Something was changed that only the model can answer."""
        if not self.filling:
            self.attempt(self.explain)

    def beside(self) -> None:
        """The second side comes or goes; at first it has the caption of the first."""
        if self.two.value and self.sides[1].asked is None:
            with self.filled():
                self.sides[1].caption.value = self.sides[0].asked.caption
        self.views.children = self.shown  # at once, so that what is wrong with it can be mended
        self.ask()

    def explain(self) -> None:
        """Ask the model what is not known yet, and show it when it is."""
        asked = self.request()
        wait = sum(map(self.session.wait, asked))
        self.work.do(lambda: self.read(asked), lambda read: self.attempt(lambda: self.end(asked, read)),
                     late=lambda: self.offer_stop(wait))

    def request(self) -> list[Asked]:
        """What the fields of each side ask for."""
        picture, model = self.picture(), self.model.value
        with self.filled():
            self.rename(picture)
            return [side.request(model, picture) for side in self.shown]

    def read(self, asked: list[Asked]) -> tuple[list[Answer], Backdrop]:
        """The model's answers, in whichever thread: no widget is touched."""
        answers = [self.session.explained(each) for each in asked]
        key = asked[0].model, asked[0].picture
        return answers, self.backdrops.get(key, lambda: backdrop(*answers[0].ex.whole()))

    def offer_stop(self, wait: float) -> None:
        """The answer is not there soon; it is expected in `wait` seconds, 0 where that is not known."""
        self.busy.value = f"working, for about {wait:.0f} seconds ..." if wait > LONG else "working ..."
        self.working.layout.display = None

    def end(self, asked: list[Asked], read: Callable[[], tuple[list[Answer], Backdrop]]) -> None:
        """The model has answered, or `read` raises what it could not."""
        self.working.layout.display = "none"
        self.show(asked, *read())

    def show(self, asked: list[Asked], answers: list[Answer], behind: Backdrop) -> None:
        """When all sides have their answers, these are what is seen."""
        for side, each, answer in zip(self.sides, asked, answers):
            side.take(each, answer, behind)
        self.number.layout.display = None if self.source.value in DRAWN else "none"
        self.look()

    def rename(self, picture: Picture) -> None:
        """Where a scene's own caption stood, the next scene's comes; what a person has written stays."""
        for side in self.sides:
            if picture.caption and self.wanted and side.caption.value == self.wanted.caption:
                side.caption.value = picture.caption
        self.wanted = picture

    def press_stop(self) -> None:
        self.busy.value = "stopping ..."
        self.work.stop()

    def click(self) -> bool:
        """A word or a patch was clicked, of which the model may have to be asked: one thing at a time."""
        if self.work.piece:
            self.say("words and patches can be clicked when the work is done, or stopped.")
        return not self.work.piece and self.draw()

    def draw(self) -> bool:
        """Something was changed that is only a matter of showing; says whether it could be."""
        return self.attempt(self.look)

    def look(self) -> None:
        look = Look(self.opacity.value, self.colours.value, self.outline.value)
        for side in self.shown:
            if side.answer:
                side.draw(look)
        self.legend.value = scale(self.colours.value)

    def receive(self) -> None:
        """A file was uploaded."""
        if self.upload.value:
            self.attempt(self.add)

    def add(self) -> None:
        picture = uploaded(self.upload.value)
        with self.filled():
            label = distinct(picture.name, [*self.pictures, *DRAWN])
            self.pictures[label] = picture
            self.source.options = [*self.pictures, *DRAWN]
            self.source.value = label
        self.explain()

    def save(self) -> list[str]:
        """Write what is seen into the store (see `save.py`), and a record of all that was; the files' names."""
        sides = [side for side in self.shown if side.answer]
        names = [save(self.store, side.asked, side.answer) for side in sides]
        self.saved |= {name: side.asked.parameters for name, side in zip(names, sides)}
        self.store.close(views=self.saved)
        return [f"{name}.{kind}" for name in names for kind in ("png", "csv")]

    def press_save(self) -> None:
        self.say(f"saved in {self.store.folder}: {', '.join(self.save())}")

    def attempt(self, act: Callable[[], None]) -> bool:
        """Do what was asked, or say in one sentence why not; what is seen stays as it was."""
        self.say("")
        try:
            act()
            return True
        except Stopped as stopped:
            self.say(str(stopped))
        except SAID as error:
            self.say(" ".join(str(error).split()) or first_line(error), wrong=True)
        except Exception as error:
            self.say(f"this went wrong: {first_line(error)}.", wrong=True)
        return False

    def say(self, text: str, wrong: bool = False) -> None:
        kind = "nib-wrong" if wrong else "nib-well"
        self.message.value = f'<p class="{kind}" role="status">{escape(text)}</p>' if text else ""
