"""The figure of an explanation: the picture, its map over it, and the caption with its words coloured."""
from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt

from ..common.drawing import colour_bar, show_map, show_picture, show_words
from .maps import shares

PER_ROW, LINE = 4, 0.42  # words beside each other, inches of their height
FUNCTION = frozenset("a an the and or but of in on at to by with from as is are be it its this that , . ; :".split())


def plot_pairs(ex, rows: Sequence[int] | None = None, width: float = 9.0, beside: bool = False,
               outline: bool = False):
    """A figure with a row per pair: picture, map, words with their shares; one scale for all, said in the colour bar.

    ex: an Explanation; rows: which pairs (all by default); width: inches. The whole picture is shown, with a frame
    around what the model sees of it. The map lies over the picture, or, if `beside`, alone; `outline` draws a line
    around what has half of the strongest, for a red map on a red thing. Returns the matplotlib figure.

    >>> nib.explain(clip, ["cat.jpg"], ["a cat"]).plot().savefig("cat.png")
    """
    rows = list(range(len(ex.image))) if rows is None else list(rows)
    words = [ex.words(i) for i in rows]
    heights = [max(0.33 * width, 0.5 + LINE * -(-len(said) // PER_ROW)) for said in words]
    figure, axes = plt.subplots(len(rows), 3, figsize=(width, sum(heights) + 0.5), squeeze=False, layout="constrained",
                                gridspec_kw=dict(width_ratios=[1, 1, 1.25], height_ratios=heights))
    for (left, middle, right), i, said, height in zip(axes, rows, words, heights):
        picture, seen = ex.whole(i)
        show_picture(left, picture, seen)
        show_map(middle, ex.heat(i), None if beside else ex.pictures[i], outline)
        show_words(right, [(word.text, word.share, word.known) for word in said], PER_ROW, True, LINE / (height - 0.5))
        left.set_title(f"similarity {ex.similarity[i]:.3f}" + (" (framed: what is seen)" if seen else ""), fontsize=10)
        least = " (white: its least)" if ex.image_scores[i].min() > 0 else ""
        middle.set_title(f"{ex.method}: image{least}", fontsize=10)
        right.set_title(f"{ex.method}: words" + ("" if all(word.known for word in said) else
                                                 f" (?: {ex.clip.name} never learnt it)"), fontsize=10)
    colour_bar(figure, axes)
    return figure


def plot_word_maps(found, pair: int = 0, words: Sequence[int] | None = None, per_row: int = 6, width: float = 1.7):
    """The picture under its caption, and a map for each of `words`, places in it; by default for all content words.

    found: of `word_maps`. Above a map stands its word with what its patches add to the cosine. Returns the figure.

    >>> plot_word_maps(nib.word_maps(clip, ["scene.png"], ["a red circle above a blue square"]))
    """
    said = found.words[pair]
    words = [i for i, word in enumerate(said) if word not in FUNCTION] if words is None else list(words)
    rows = -(-(len(words) + 1) // per_row)
    figure, axes = plt.subplots(rows, min(len(words) + 1, per_row), squeeze=False, layout="constrained",
                                figsize=(width * min(len(words) + 1, per_row), 1.15 * width * rows + 0.9))
    picture = found.clip.preprocess.undo(found.pixels[pair])
    for axis in axes.flat:
        axis.axis("off")
    show_picture(axes.flat[0], picture)
    for axis, i in zip(axes.flat[1:], words):
        show_map(axis, shares(found.maps[pair][i], located=True), picture)
        axis.set_title(f"{said[i]}  {found.scores[pair][i].sum():.3f}", fontsize=9, parse_math=False)
    figure.suptitle(textwrap.fill(found.captions[pair], 16 * axes.shape[1]), fontsize=10)
    colour_bar(figure, axes)
    return figure
