"""Pictures of explanations: the image, its heat map, the caption with its words coloured."""
from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

MAP = "viridis"  # perceptually uniform, dark where the map is low
GREY = (0.88, 0.88, 0.88, 1.0)


def plot_pairs(ex, rows: Sequence[int] | None = None, width: float = 9.0):
    """A figure with a row per pair: picture, heat map over it with a colour bar, caption and similarity.

    ex: an Explanation; rows: which pairs (all by default). Returns the matplotlib figure.

    >>> nib.explain(clip, ["cat.jpg"], ["a cat"]).plot().savefig("cat.png")
    """
    rows = list(range(len(ex.image))) if rows is None else list(rows)
    figure, axes = plt.subplots(
        len(rows), 3, figsize=(width, 0.33 * width * len(rows)), squeeze=False, layout="constrained",
        gridspec_kw={"width_ratios": [1, 1, 1.15]})
    for (left, middle, right), i in zip(axes, rows):
        show_image(left, ex.pictures[i])
        show_map(middle, ex.pictures[i], ex.image[i])
        left.set_title(f"similarity {ex.similarity[i]:.3f}", fontsize=10)
        middle.set_title(f"{ex.method}: image map", fontsize=10)
        right.set_title(f"{ex.method}: word map", fontsize=10)
        show_words(right, ex.tokens[i], ex.text[i])
    colour_bar(figure, axes)
    return figure


def colour_bar(figure, axes) -> None:
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), MAP), ax=axes, location="bottom", shrink=0.5, aspect=40,
                          pad=0.02)
    bar.set_label("relevance, least to most of each map", fontsize=9)


def show_image(axis, picture: np.ndarray) -> None:
    axis.imshow(picture)
    axis.axis("off")


def show_map(axis, picture: np.ndarray, heat, alpha: float = 0.6) -> None:
    """The heat map (H, W) in 0..1 over the grey picture (H, W, 3)."""
    axis.imshow(picture.mean(-1), cmap="gray", vmin=0, vmax=255)
    axis.imshow(np.asarray(heat), cmap=MAP, vmin=0, vmax=1, alpha=alpha)
    axis.axis("off")


def show_words(axis, tokens: Sequence[str], relevance, per_row: int = 4, tallest: float = 0.2) -> None:
    """The tokens in reading order, each on a ground coloured by its relevance (T,).

    Colours run from the least to the most relevant word; SOS and EOS, whose scores would swamp the words', stay grey.
    """
    colours = plt.get_cmap(MAP)
    words = np.asarray(relevance)[1:-1]
    scaled = (words - words.min()) / (np.ptp(words) or 1)
    grounds = [GREY, *colours(scaled), GREY]
    lines = [list(range(i, min(i + per_row, len(tokens)))) for i in range(0, len(tokens), per_row)]
    height = min(tallest, 0.95 / len(lines))
    for line, places in enumerate(lines):
        for column, i in enumerate(places):
            r, g, b, _ = colour = grounds[i]
            ink = "black" if 0.299 * r + 0.587 * g + 0.114 * b > 0.5 else "white"
            x, y = column / per_row, 0.97 - (line + 1) * height
            axis.add_patch(plt.Rectangle((x, y), 0.97 / per_row, 0.88 * height, color=colour, lw=0))
            word = tokens[i] if len(tokens[i]) < 13 else tokens[i][:11] + "…"
            axis.text(x + 0.485 / per_row, y + 0.44 * height, word,
                      color=ink, ha="center", va="center", fontsize=min(9, 60 * height), parse_math=False)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axis("off")


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
        show_image(left, ex.pictures[0])
        left.set_title(ex.method, fontsize=13, loc="left")
        below.axis("off")
        for i, (top, bottom) in enumerate(zip(maps, words)):
            show_map(top, ex.pictures[i], ex.image[i])
            top.set_title(textwrap.fill(ex.captions[i], 34) + f"\nsimilarity {ex.similarity[i]:.3f}", fontsize=9)
            show_words(bottom, ex.tokens[i], ex.text[i], per_row=5)
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
        show_image(left, first.pictures[i])
        left.set_title(captions[i], fontsize=7)
        for axis, ex in zip(rest, explanations):
            show_map(axis, ex.pictures[i], ex.image[i])
            if masks is not None:
                axis.contour(np.asarray(masks[i], dtype=float), levels=[0.5], colors="white", linewidths=1.2)
            axis.set_title(ex.method, fontsize=9)
    colour_bar(figure, axes)
    return figure


def plot_words(explanations: Sequence, pair: int = 0, width: float | None = None):
    """One caption under every method: a row per method, its words coloured from its least to its most relevant."""
    width = width or max(10.0, 0.66 * len(explanations[0].tokens[pair]) + 1.5)  # room for the words
    figure, axes = plt.subplots(len(explanations), 2, squeeze=False, layout="constrained",
                                figsize=(width, 0.42 * len(explanations) + 0.8), gridspec_kw={"width_ratios": [1, 8]})
    for (left, right), ex in zip(axes, explanations):
        left.text(1, 0.5, ex.method, ha="right", va="center", fontsize=9)
        left.axis("off")
        show_words(right, ex.tokens[pair], ex.text[pair], per_row=max(4, len(ex.tokens[pair])), tallest=0.9)
    colour_bar(figure, axes)
    return figure
