"""Figures of tables: every method has its bar and its point."""
import numpy as np
import pandas as pd
import pytest

from nib_utils.tables.ranked import plot_cost, plot_ranked


@pytest.fixture
def table():
    gain = pd.Series([0.1, 0.3, 0.2, 0.4], ["cheap", "good", "dear", "exact"])
    return pd.DataFrame({"forwards": [1.0, 3.0, 100.0, np.nan]}, gain.index).assign(
        **{f"{metric}{end}": gain + shift for metric in ("image_gain", "text_gain")
           for end, shift in (("", 0), ("_low", -0.05), ("_high", 0.05))})


def test_a_point_for_every_method_whose_cost_is_known_and_a_line_through_those_that_none_cheaper_beats(table):
    figure = plot_cost({"one": table, "other": table.drop(index="dear")})
    assert len(figure.axes) == 4
    first = figure.axes[0]
    assert {text.get_text() for text in first.texts} == {"cheap", "good", "dear"} and first.get_xscale() == "log"
    ahead, behind = (line.get_xdata().tolist() for line in first.lines if line.get_marker() == "o")
    assert ahead == [1, 3] and behind == [100]


def test_a_bar_for_every_method(table):
    figure = plot_ranked(table, {"image_gain": "higher"}, "title", "cosine")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(table.index)
    assert len(figure.axes[0].patches) == 4
