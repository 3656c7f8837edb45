"""The figure of an explanation: the picture, its map over it, and the caption with its words coloured."""
from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt

from ..common.drawing import colour_bar, show_map, show_picture, show_words

PER_ROW, LINE = 4, 0.42  # words beside each other, inches of their height


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
