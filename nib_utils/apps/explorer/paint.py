"""What the explorer shows, as pixels and colours: the picture with a map laid over it, the scale of colours."""
from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from ...common.drawing import cover, ground

LONGEST = 560  # pixels of the longer side; a photograph of a camera has ten times as many


class Look(NamedTuple):
    """How a map is shown, which no model need be asked for."""

    opacity: float = 0.8  # of the strongest, 0..1
    absolute: bool = False  # only how much, not whether for or against
    outline: bool = False  # a line around what has half of the strongest: for a red map on a red thing


@dataclass(frozen=True)
class Backdrop:
    """A picture made small enough to be sent, and what of it the model sees."""

    pixels: np.ndarray  # (h, w, 3) uint8, pale where the model does not look
    seen: tuple[int, int, int, int]  # left, top, width and height, in its pixels

    @property
    def place(self) -> tuple[float, float, float, float]:
        """The same as shares of the whole, 0..1."""
        h, w = self.pixels.shape[:2]
        left, top, width, height = self.seen
        return left / w, top / h, width / w, height / h


def backdrop(picture: np.ndarray, seen: tuple[float, float, float, float] | None) -> Backdrop:
    """A picture (h, w, 3) uint8 with what the model sees of it, as `Explanation.whole` gives both.

    Of a long one what is farther from the seen part than half of its side is left out.
    """
    h, w = picture.shape[:2]
    left, top, width, height = seen or (0, 0, w, h)
    margin = max(width, height) / 2
    x, y = max(0, int(left - margin)), max(0, int(top - margin))
    picture = picture[y : int(top + height + margin) + 1, x : int(left + width + margin) + 1]
    h, w = picture.shape[:2]
    scale = min(1, LONGEST / max(h, w))
    size = max(1, round(w * scale)), max(1, round(h * scale))
    small = np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)) if scale < 1 else picture.copy()
    a, b = max(0, round((left - x) * scale)), max(0, round((top - y) * scale))
    box = a, b, max(1, min(size[0] - a, round(width * scale))), max(1, min(size[1] - b, round(height * scale)))
    if seen:
        pale = (0.4 * small + 153).astype(np.uint8)
        inside = np.s_[b : b + box[3], a : a + box[2]]
        pale[inside] = small[inside]
        small = pale
    return Backdrop(small, box)


def painted(behind: Backdrop, heat: np.ndarray, look: Look) -> str:
    """A map (H, W) in -1..1 over the part of the picture that is seen, as the address of a JPEG for a page."""
    left, top, width, height = behind.seen
    stretched = Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(stretched), -1, 1)
    colours = cover(heat, look.opacity, look.absolute)
    whole, inside = behind.pixels.copy(), np.s_[top : top + height, left : left + width]
    share = colours[..., 3:]
    whole[inside] = np.round((1 - share) * whole[inside] + share * 255 * colours[..., :3]).astype(np.uint8)
    if look.outline:
        strong = np.abs(heat) >= 0.5
        whole[inside][edge(~strong)], whole[inside][edge(strong)] = 255, 0
    file = io.BytesIO()
    Image.fromarray(whole).save(file, "JPEG", quality=90, subsampling=0)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"


def edge(part: np.ndarray) -> np.ndarray:
    """Those of a part's pixels (h, w) bool that have a neighbour outside of it."""
    p = np.pad(part, 1, mode="edge")
    return part & ~(p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:])


def css(share: float, absolute: bool) -> tuple[str, str]:
    """The colours of a share in -1..1 as a page writes them: of the ground, and of the letters on it."""
    colour, ink = ground(share, absolute)
    return f"rgb({', '.join(str(round(255 * part)) for part in colour)})", ink


def scale(absolute: bool) -> str:
    """The scale of colours as HTML."""
    ends = ("nothing", "the strongest") if absolute else ("against", "for the match")
    colours = ", ".join(css(share, absolute)[0] for share in np.linspace(0 if absolute else -1, 1, 11))
    return (f'<span class="nib-scale">{ends[0]} <i style="background:linear-gradient(to right, {colours})"></i> '
            f"{ends[1]}</span>")
