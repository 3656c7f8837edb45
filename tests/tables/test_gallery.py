"""Explanations side by side: a panel for each, all on one scale."""
import matplotlib.pyplot as plt
import numpy as np
import pytest

import nib_utils as nib
from nib_utils.tables.gallery import plot_grid, plot_methods, plot_words


@pytest.fixture(scope="module")
def explanations(clip):
    scene = nib.load_pairs("shapes", n=2).iloc[1]
    return [nib.explain(clip, [scene.image] * 2, scene.phrases[:2], method) for method in ("nib", "random")]


@pytest.mark.parametrize("plot, panels", [(plot_grid, 2 * 2 * 3), (plot_methods, 2 * 3), (plot_words, 2 * 2)])
def test_a_panel_for_each(explanations, plot, panels):
    figure = plot(explanations)
    assert len(figure.axes) == panels + 1
    said = [text.get_text() for axis in figure.axes for text in axis.texts]
    expected = [word.text for ex in explanations for word in ex.words(0)]
    assert plot is plot_methods or set(expected) <= set(said)
    plt.close(figure)


def test_the_truth_is_outlined(explanations):
    mask = np.zeros((224, 224), bool)
    mask[50:90, 50:90] = True
    figure = plot_methods(explanations, [mask, mask])
    assert figure.axes[1].collections and not figure.axes[0].collections
    plt.close(figure)
