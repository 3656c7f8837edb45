"""Pictures of several explanations side by side: captions, methods, words."""
from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from ..common.drawing import colour_bar, show_map, show_picture, show_words


def plot_grid(explanations: Sequence, width: float = 3.1):
    """Several captions on one picture: a column per caption, a row per method, the words coloured under each map.

    explanations: one Explanation per method, all of the same pairs. Returns the matplotlib figure.

    >>> plot_grid([nib.explain(clip, [picture] * 3, captions, m) for m in ("nib", "m2ib")])
    """
    columns = len(explanations[0].captions)
    figure, axes = plt.subplots(
        2 * len(explanations), columns + 1, figsize=(width * (columns + 1), 1.55 * width * len(explanations)),
        squeeze=False, layout="constrained", gridspec_kw={"height_ratios": [1, 0.55] * len(explanations)})
    for pair_of_rows, ex in zip(axes.reshape(len(explanations), 2, -1), explanations):
        (left, *maps), (below, *words) = pair_of_rows
        show_picture(left, ex.pictures[0])
        left.set_title(ex.method, fontsize=13, loc="left")
        below.axis("off")
        for i, (top, bottom) in enumerate(zip(maps, words)):
            show_map(top, ex.heat(i), ex.pictures[i])
            top.set_title(textwrap.fill(ex.captions[i], 34) + f"\nsimilarity {ex.similarity[i]:.3f}", fontsize=9)
            show_words(bottom, drawn(ex, i), per_row=5)
    colour_bar(figure, axes)
    return figure


def plot_methods(explanations: Sequence, masks: Sequence | None = None, width: float = 1.75):
    """Every method on the same pairs: a row per pair, a column per method, the picture and its caption on the left.

    explanations: one Explanation per method; masks: (H, W) bool per pair, the truth, drawn as an outline.
    Returns the matplotlib figure.

    >>> plot_methods([nib.explain(clip, [picture] * 3, phrases, m) for m in nib.PUBLISHED])
    """
    first, columns = explanations[0], 1 + len(explanations)
    captions = [textwrap.fill(caption, 30) for caption in first.captions]
    lines = sum(max(caption.count("\n"), 1) for caption in captions)
    figure, axes = plt.subplots(len(first.captions), columns, squeeze=False, layout="constrained",
                                figsize=(width * columns, width * len(captions) + 0.12 * lines + 1.1))
    for i, (left, *rest) in enumerate(axes):
        show_picture(left, first.pictures[i])
        left.set_title(captions[i], fontsize=7)
        for axis, ex in zip(rest, explanations):
            show_map(axis, ex.heat(i), ex.pictures[i])
            if masks is not None:
                axis.contour(np.asarray(masks[i], dtype=float), levels=[0.5], colors="black", linewidths=1)
            axis.set_title(ex.method, fontsize=9)
    colour_bar(figure, axes)
    return figure


def plot_words(explanations: Sequence, pair: int = 0, width: float | None = None):
    """One caption under every method: a row per method, its words coloured."""
    count = len(explanations[0].words(pair))
    width = width or max(10.0, 0.72 * count + 1.5)  # room for the words
    figure, axes = plt.subplots(len(explanations), 2, squeeze=False, layout="constrained",
                                figsize=(width, 0.42 * len(explanations) + 0.8), gridspec_kw={"width_ratios": [1, 8]})
    for (left, right), ex in zip(axes, explanations):
        left.text(1, 0.5, ex.method, ha="right", va="center", fontsize=9)
        left.axis("off")
        show_words(right, drawn(ex, pair), per_row=max(4, count), tallest=0.9)
    colour_bar(figure, axes)
    return figure


def drawn(ex, pair: int) -> list[tuple[str, float, bool]]:
    """What is drawn of a pair's words."""
    return [(word.text, word.share, word.known) for word in ex.words(pair)]
