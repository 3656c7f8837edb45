"""The overview: one table over notebooks and runs; and the orders of methods in two worlds, held against each other."""
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from nib_utils.apps.batch.results import Results
from nib_utils.tables.overview import overview
from nib_utils.tables.worlds import plot_worlds, worlds


def test_an_overview_joins_what_is_there(tmp_path):
    with pytest.raises(ValueError, match="has no results of localization, main_table, faithfulness, reference; run"):
        overview(tmp_path)
    store = Results(tmp_path, "localization", {})
    store.table("localization", pd.DataFrame({"method": ["nib", "random"], "pointing": [0.6, 0.1], "pointing_low": [0.5, 0],
                                              "pointing_rank": ["1", "2"], "mass": [0, 0]}))
    store = Results(tmp_path, "faithfulness", {})
    store.table("gain", pd.DataFrame({"method": ["nib"], "image_gain": [0.3], "similarity": [9]}))
    table = overview(tmp_path).loc["mini-shapes"]
    assert list(table) == ["pointing", "pointing_low", "pointing_rank", "image_gain"]
    assert table.loc["nib"].tolist() == [0.6, 0.5, "1", 0.3] and pd.isna(table.loc["random", "image_gain"])


def test_an_overview_is_of_every_run_mini_first(tmp_path):
    for name, file, runs in (("localization", "localization", ("ViT-B-32-coco", "mini-shapes")), ("main_table", "main_table", ("ViT-B-32-coco",))):
        for run in runs:
            (tmp_path / name / run).mkdir(parents=True)
            pd.DataFrame({"method": [run], "pointing": [0.5], "corrected_image_drop": [1.0]}).to_csv(tmp_path / name / run / f"{file}.csv")
    assert overview(tmp_path).index.tolist() == [(run, run) for run in ("mini-shapes", "ViT-B-32-coco")]


def test_worlds_compare_the_methods_that_both_have():
    first = pd.DataFrame({"gain": [1, 2, 3, 4, 9.0], "few": [1, 2, 3, None, None]}, index=list("abcde"))
    second = pd.DataFrame({"gain": [4, 3, 2, 1.0], "few": [1, 2, 3, 4.0]}, index=list("abcd"))
    table = worlds(first, second, ["gain", "few"]).set_index("metric")
    assert table.spearman["gain"] == -1 and table.methods.tolist() == [4, 3] and pd.isna(table.spearman["few"])
    assert worlds(first, first, ["gain"]).spearman.item() == pytest.approx(1)
    with pytest.raises(ValueError, match="lacks the column 'other'; both have gain, few"):
        worlds(first, second, ["other"])
    figure = plot_worlds(first, second, ("one", "two"), ["gain", "few"])
    assert [axis.get_title() for axis in figure.axes] == ["gain, rank correlation -1.00", "few"]
    told = [text.get_text() for text in figure.axes[0].texts]
    assert told[:4] == ["a  1.00", "4.00  a", "b  2.00", "3.00  b"] and told[-2:] == ["one", "two"]
    plt.close("all")
