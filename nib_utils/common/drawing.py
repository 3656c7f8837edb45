"""Relevance drawn on one scale, from -1, against, over 0, nothing, to 1, for: over a picture and on words."""
from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ft2font import FT2Font
from PIL import Image

SCALE, RANGE = "RdBu_r", dict(vmin=-1, vmax=1)  # diverging, white at zero
SIZES = "viridis"  # of sizes without a sign, laid on as thinly as they are small
LONGEST = 14  # letters of a word that are shown
SIDE = 1200  # pixels of a picture's longer side that a figure shows; more would only cost time


def colour_bar(figure, axes) -> None:
    width, height = figure.get_size_inches()
    bar = figure.colorbar(ScalarMappable(Normalize(**RANGE), SCALE), ax=axes, location="bottom", shrink=0.6,
                          fraction=0.15 / height, aspect=0.6 * width / 0.12, pad=0.08 / height, panchor=False,
                          ticks=[-1, -0.5, 0, 0.5, 1])
    bar.ax.tick_params(labelsize=8)
    bar.set_label("share of the strongest of an image or caption: blue speaks against the match, white says nothing, "
                  "red speaks for it", fontsize=8.5)


def show_picture(axis, picture, seen: tuple[float, float, float, float] | None = None) -> None:
    """A picture (h, w, 3); of a part that is `seen` (left, top, width, height) the frame, the rest pale."""
    height, width = np.shape(picture)[:2]
    axis.imshow(reduced(picture), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    axis.axis("off")
    axis.set_anchor("N")
    if seen and seen[2] * seen[3] < 0.99 * height * width:
        left, top, w, h = seen
        for x, y, a, b in ((0, 0, left, height), (left + w, 0, width, height), (0, 0, width, top),
                           (0, top + h, width, height)):
            axis.add_patch(plt.Rectangle((x - 0.5, y - 0.5), a, b, color="white", alpha=0.6, lw=0))
        axis.add_patch(plt.Rectangle((left, top), w, h, fill=False, edgecolor="black", lw=1.5))
        axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def reduced(picture) -> np.ndarray:
    """A picture (h, w, 3) uint8, or one of whole steps' means that is no longer than SIDE."""
    step = -(-max(np.shape(picture)[:2]) // SIDE)
    return np.asarray(picture) if step == 1 else np.asarray(Image.fromarray(np.asarray(picture)).reduce(step))


def show_map(axis, heat, picture: np.ndarray | None = None, outline: bool = False) -> None:
    """A map (H, W) in -1..1 over a picture (H, W, 3), which keeps its colours where the map says nothing, or alone.

    outline: a line around what has half of the strongest, dashed where it speaks against the match.
    """
    heat = np.asarray(heat, dtype=float)
    if picture is None:
        axis.imshow(heat, cmap=SCALE, **RANGE)
    else:
        axis.imshow(picture)
        axis.imshow(cover(heat))
    if outline and np.ptp(heat) > 0.5:  # else it has no such line, of which matplotlib would warn
        axis.contour(heat, levels=[-0.5, 0.5], colors="black", linewidths=1, linestyles=["dashed", "solid"])
    axis.axis("off")
    axis.set_anchor("N")


def cover(heat: np.ndarray, opacity: float = 0.8, absolute: bool = False) -> np.ndarray:
    """A map (H, W) in -1..1 as colours to lay over a picture, (H, W, 4) in 0..1, clear where it says nothing.

    opacity: of the strongest, 0..1; absolute: only how much, not whether for or against.
    """  # strong colours, thinly laid on, rather than whitish ones, which would veil the picture
    colours = plt.get_cmap(SIZES)(np.abs(heat)) if absolute else plt.get_cmap(SCALE)(0.5 + (heat + np.sign(heat)) / 5)
    colours[..., 3] = opacity * np.abs(heat)
    return colours


def ground(share: float, absolute: bool = False) -> tuple[tuple[float, float, float], str]:
    """The colour of a share in -1..1 on white, and that of the letters that can be read on it, white or black."""
    colour = np.array((plt.get_cmap(SIZES)(abs(share)) if absolute else plt.get_cmap(SCALE)(0.5 + share / 2))[:3])
    if absolute:
        colour = 1 - abs(share) * (1 - colour)
    return tuple(colour.tolist()), "white" if colour @ (0.299, 0.587, 0.114) < 0.5 else "black"


def show_words(axis, words: Sequence[tuple[str, float, bool]], per_row: int = 4, numbers: bool = False,
               tallest: float = 0.2) -> None:
    """Words in reading order on grounds of their colours: each with its share in -1..1, and whether it is known.

    A word that is not known has a question mark and a dashed frame; [3] is the third word, where no installed font
    has its letters. numbers: below each word its share.
    """
    rows, unwritten = -(-len(words) // per_row), False
    height = min(tallest, 0.97 / rows)
    for i, (word, share, known) in enumerate(words):
        colour, ink = ground(share)
        x, y = i % per_row / per_row, 0.98 - (1 + i // per_row) * height
        axis.add_patch(plt.Rectangle((x, y), 0.97 / per_row, 0.9 * height, facecolor=colour, lw=0.6 if known else 1,
                                     edgecolor="0.75" if known else "black", ls="-" if known else "--"))
        text, fonts = legible(word if len(word) <= LONGEST else word[: LONGEST - 1] + "…", f"[{i + 1}]")
        unwritten |= text == f"[{i + 1}]" != word
        said = text + ("" if known else " ?") + (f"\n{share:+z.2f}" if numbers else "")
        axis.text(x + 0.485 / per_row, y + 0.44 * height, said, color=ink, ha="center", va="center", fontsize=8.5,
                  family=fonts, parse_math=False, linespacing=1.15)
    if unwritten:
        axis.text(0, -0.01, "[1] is the first word, and so on: no font here has its letters", fontsize=7, va="top")
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axis("off")


def legible(text: str, instead: str) -> tuple[str, list[str]]:
    """A text and fonts for its letters, any that is installed where the usual one lacks some; else `instead`."""
    fonts = list(plt.rcParams["font.family"])
    usual = letters(font_manager.findfont(font_manager.FontProperties(family=fonts)))
    lacking = {ord(letter) for letter in text} - usual
    for font in font_manager.fontManager.ttflist if lacking else ():
        if font.name[:11] != "Last Resort" and lacking & letters(font.fname):  # which has a box for everything
            fonts.append(font.name)
            lacking -= letters(font.fname)
    return (instead if lacking else text), fonts


@cache
def letters(file: str) -> set[int]:
    """The code points that a font has."""
    return set(FT2Font(file).get_charmap())
