"""What the explorer has worked out, kept, so that only what is new is run: no widgets here."""
from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ...clip.clip import Clip
from ...loading.load import load_clip
from ...maps.explain import explain
from ...maps.explanation import Explanation
from ...maps.maps import Word, shares
from ...maps.options import check_options, find
from ...maps.word_maps import WordMaps, word_maps
from ..patience import one_look, wait
from .kept import KeptClip, keeping
from .memory import Memory
from .pictures import Picture, distinct, drawn

LINEAR = ("nib_held", "attn_lrp")  # whose words x patches add up to a part of the cosine; of others nib_held's is shown


@dataclass(frozen=True)
class Asked:
    """What is to be explained, and how; equal where the answer is."""

    model: str
    picture: Picture
    caption: str
    method: str
    options: tuple[tuple[str, object], ...] = ()  # by name, sorted

    @property
    def parameters(self) -> dict:
        """As a record tells of it."""
        return {"model": self.model, **self.picture.source, "captions": [self.caption], "method": self.method,
                "options": dict(self.options)}


class Answer(NamedTuple):
    """An explanation and what is shown of it."""

    ex: Explanation
    heat: np.ndarray  # (H, W), shares of the strongest, -1..1
    words: list[Word]
    notes: list[str]  # what the library warned of

    @property
    def similarity(self) -> float:
        return self.ex.similarity[0].item()


class Session:
    """Models, drawn scenes, explanations and word maps, each made when it is first asked for.

    models: names for `load_clip`, or Clips. Nothing is asked of a model twice: its readings of pictures and captions
    last (`kept.py`), so that another caption runs the picture's tower only where the method's gradients must.
    """

    def __init__(self, models: Sequence[str | Clip]):
        self.given: dict[str, str | Clip] = {}
        for model in models:
            if not isinstance(model, Clip):
                self.given.setdefault(str(model), model)
            elif all(model is not one for one in self.given.values()):  # two of one name are two
                self.given[distinct(model.name, self.given)] = model
        self.clips, self.scenes = Memory(2), Memory(16)
        self.answers, self.found, self.word_heats, self.seconds = Memory(64), Memory(16), Memory(64), {}

    def clip(self, name: str) -> KeptClip:
        """One of the models, loaded when it is first asked for; of those by name the last two stay."""
        return self.clips.get(name, lambda: self.load(name))

    def load(self, name: str) -> KeptClip:
        given = self.given[name]
        clip = keeping(given if isinstance(given, Clip) else load_clip(given))
        self.seconds[name] = one_look(clip)
        return clip

    def scene(self, world: str, number: int) -> Picture:
        return self.scenes.get((world, number), lambda: drawn(world, number))

    def wait(self, asked: Asked) -> float:
        """About how many seconds an explanation will take; 0 if it is there."""
        if asked in self.answers:
            return 0.0
        self.clip(asked.model)
        return wait(asked.method, dict(asked.options), self.seconds[asked.model])

    def explained(self, asked: Asked) -> Answer:
        """The explanation of `explain`, with its defaults; raises what it raises."""
        return self.answers.get(asked, lambda: self.explain(asked))

    def explain(self, asked: Asked) -> Answer:
        check_options(asked.method, find(asked.method), dict(asked.options))
        clip = self.clip(asked.model)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            ex = explain(clip, [asked.picture.image], [asked.caption], asked.method, progress=False,
                         **dict(asked.options))
        notes = dict.fromkeys(str(w.message) for w in said if w.category is UserWarning)
        return Answer(ex, ex.heat().numpy(), ex.words(), [note for note in notes if "never learnt" not in note])

    def matrix(self, asked: Asked) -> tuple[WordMaps, np.ndarray]:
        """Word maps of the pair, and what each patch gives to each word, (words, gh, gw) in cosine units."""
        method, options = (asked.method, asked.options) if asked.method in LINEAR else (LINEAR[0], ())
        key = asked.model, asked.picture, asked.caption, method, options
        return self.found.get(key, lambda: self.words_on_patches(asked, method, dict(options)))

    def words_on_patches(self, asked: Asked, method: str, options: dict) -> tuple[WordMaps, np.ndarray]:
        found = word_maps(self.clip(asked.model), [asked.picture.image], [asked.caption], method, **options)
        rows = [found.scores[0][place].sum(0) for place in self.places(asked)]
        return found, torch.stack(rows).numpy()

    def places(self, asked: Asked) -> list[slice]:
        """Where each word's pieces stand among those between SOS and EOS."""
        ids = self.explained(asked).ex.ids[0]
        spans = self.clip(asked.model).tokenizer.spans(ids.tolist())
        return [slice(place.start - 1, place.stop - 1) for _, place in spans]

    def word_heat(self, asked: Asked, word: int) -> np.ndarray:
        """Where in the picture a word finds what it says, (H, W), as shares of its strongest, -1..1."""
        found, _ = self.matrix(asked)
        place = self.places(asked)[word]
        single = place.stop - place.start == 1  # the map of several pieces is not the sum of theirs
        make = lambda: found.maps[0][place.start] if single else found.span(0, place.start, place.stop)
        return self.word_heats.get((id(found), word), lambda: (found, shares(make(), located=True).numpy()))[1]
