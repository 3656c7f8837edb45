"""A CLIP that remembers what it has read, so that a picture is run once, and that can be stopped while it reads."""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from PIL import Image
from torch import Tensor

from ...clip.clip import Clip
from ...clip.tower import Reading, Tower
from .memory import Memory
from .work import heed


@dataclass
class KeptTower(Tower):
    """A tower whose readings of single inputs last; a tower made from it, such as a wider one, begins anew."""

    readings: Memory = field(init=False, default_factory=partial(Memory, 8))

    def read(self, x: Tensor) -> Reading:
        if len(x) > 1:  # of many copies of a picture; their reading knows it itself
            return super().read(x)
        key = tuple(x.shape), x.detach().cpu().numpy().tobytes()
        return self.readings.get(key, lambda: Reading(self, x))

    def head(self, row: Tensor) -> Tensor:
        heed()  # every forward of every method comes by here, so that none needs to know that it can be stopped
        return super().head(row)


@dataclass(repr=False)
class KeptClip(Clip):
    """A Clip whose pixels of single pictures last, too: a photograph of a camera takes long to make small."""

    prepared: Memory = field(init=False, default_factory=partial(Memory, 8))

    def pixels(self, images, first: int = 0) -> Tensor:
        make = partial(super().pixels, images, first)
        if not (isinstance(images, list) and len(images) == 1 and isinstance(images[0], Image.Image)):
            return make()
        return self.prepared.get(id(images[0]), lambda: (images[0], make()))[1]  # kept with it, lest another has its id


def keeping(clip: Clip) -> KeptClip:
    """The same model with a memory; the one that was handed in stays as it is.

    >>> keeping(nib.load_clip("mini"))
    """
    return KeptClip(**vars(clip) | dict(image=KeptTower(**vars(clip.image)), text=KeptTower(**vars(clip.text))))
