"""The pictures that the explorer offers: drawn scenes by number, those that were handed in, those that are uploaded."""
from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

from PIL import Image

from ...clip.pictures import read_image
from ...data.pairs import DRAWN, load_pairs

__all__ = ["DRAWN", "Picture", "distinct", "drawn", "opened", "uploaded"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, what it is called, and the parameters that a record of it holds."""

    name: str
    image: Image.Image
    source: dict
    caption: str | None = None  # a drawn scene has its own


def drawn(world: str, number: int) -> Picture:
    """A scene of a drawn world, as `nib.load_pairs(world, start=number)` has it."""
    row = load_pairs(world, n=1, start=number).iloc[0]
    return Picture(f"{world}-{number}", row.image, {"dataset": world, "pair": number}, row.caption)


def opened(image: str | Path | Image.Image, place: int) -> Picture:
    """A picture or a path that was handed in as the one at `place`; raises a sentence where it cannot be read."""
    name = f"picture {place}" if isinstance(image, Image.Image) else Path(image).name
    source = {"image": name if isinstance(image, Image.Image) else str(image)}
    return Picture(name, read_image(image, f"image {place}"), source)


def uploaded(value: dict | Sequence) -> Picture:
    """The last file of a FileUpload's value; ipywidgets 7 has a dict of them by name, 8 a tuple.

    Raises ValueError with a sentence that names the file where it is no picture.
    """
    if isinstance(value, dict):
        name, file = list(value.items())[-1]
    else:
        file = value[-1]
        name = file["name"]
    content = bytes(file["content"])
    try:
        image = Image.open(io.BytesIO(content))
    except Exception:  # strangers' bytes make a decoder fail in any way
        raise ValueError(f"'{name}' cannot be read as an image; upload a JPEG or PNG.") from None
    return Picture(name, read_image(image, f"'{name}'"),
                   {"image": name, "sha256": sha256(content).hexdigest()})


def distinct(name: str, taken: Collection[str]) -> str:
    """The name, or with a number where something is called so already."""
    return next(label for i in count(1) if (label := name if i == 1 else f"{name} ({i})") not in taken)
