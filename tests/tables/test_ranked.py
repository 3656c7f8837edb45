"""Means with their intervals and ranks."""

import numpy as np
import pandas as pd
from measured import noisy, rows_of

import nib_utils as nib
from nib_utils.tables.ranked import plot_ranked, ranked


def test_many_pairs_tell_methods_apart_and_only_then_is_one_best():
    rng = np.random.default_rng(0)
    values = {"good": rng.normal(1, 1, 60), "same": rng.normal(1, 1, 60), "bad": rng.normal(9, 1, 60)}
    rows = pd.DataFrame([{"method": m, "pair": i, "drop": v} for m, vs in values.items() for i, v in enumerate(vs)])
    table = ranked(rows, {"drop": "lower"})
    assert table.drop_rank.to_dict() == {"good": "1-2", "same": "1-2", "bad": "3"}
    assert table.drop_best.to_dict() == {"good": True, "same": True, "bad": False}
    assert (table.drop_low < table["drop"]).all() and (table["drop"] < table.drop_high).all()


def test_each_method_is_set_against_the_best_and_has_its_n():
    values = {"good": noisy(5, 0), "fine": noisy(5.2, 1), "bad": noisy(9, 2), "ceiling": noisy(1, 3)}
    rows = rows_of(**values).assign(gain=lambda r: -r["drop"])
    table = ranked(rows, {"drop": "lower", "gain": "higher"}, controls=["ceiling"])
    beside = nib.compare(rows, "drop", reference="good", controls=["ceiling"]).set_index("a")
    for metric in ("drop", "gain"):
        assert table[f"{metric}_rank"].to_dict() == {"good": "1-2", "fine": "1-2", "bad": "3", "ceiling": "(1)"}
        assert table.loc["good", [f"{metric}_vs_best_p", f"{metric}_margin"]].tolist() == [1, 0]
        for name in ("fine", "bad", "ceiling"):
            assert table.loc[name, [f"{metric}_vs_best_p", f"{metric}_margin"]].tolist() == beside.loc[name, ["p_holm", "margin"]].tolist()
    assert (table.n == 60).all() and table.columns[0] == "n" and not table.drop_best["ceiling"]
    assert table.drop_margin["fine"] < 1 < table.drop_margin["bad"]


def test_the_true_best_is_among_those_that_may_be_the_best():
    refused = 0
    for seed in range(30):
        noise = np.random.default_rng(seed).standard_normal((8, 20))
        table = ranked(rows_of(**{f"m{i}": values for i, values in enumerate(noise)}), {"drop": "lower"})
        refused += table.drop_vs_best_p["m0"] < 0.05  # all are alike, so any one is as good as the best
    assert refused <= 3  # one or two of 30 are expected at most


def test_a_method_that_was_not_run_has_no_bar_and_the_papers_mark_is_explained():
    table = ranked(rows_of(good=noisy(5, 0), bad=noisy(9, 2)), {"drop": "lower"})
    table = table.assign(paper=[4.0, 3.0]).reindex(["good", "bad", "elsewhere"])
    table.loc["elsewhere", "paper"] = 2.0
    figure = plot_ranked(table, {"drop": "lower"}, "sixty pairs", "percent", {"drop": "paper"})
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["good", "bad"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["the paper's number, of its model"]
    assert not plot_ranked(table.drop(columns="paper"), {"drop": "lower"}, "sixty", "percent", {"drop": "paper"}).legends
