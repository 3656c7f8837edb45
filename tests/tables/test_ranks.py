"""Ranks and bold: worked by hand, and the same however the tests are made."""
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from measured import noisy, rows_of

import nib_utils as nib
from nib_utils.tables.paired_tests import holm, paired

PAIRS = Path(__file__).parents[2] / "results/main_table/mini-shapes/pairs.csv"
SOME = ["nib", "m2ib", "rise", "chefer", "saliency", "rollout", "mfaba", "legrad", "attn_lrp", "random", "all_ones"]


def test_ranks_are_shared_by_what_is_not_told_apart():
    rows = rows_of(bad=noisy(9, 2), good=noisy(5, 0), fine=noisy(5.01, 1), worst=noisy(20, 3))
    table = nib.ranks(rows, "drop")
    assert dict(table["rank"]) == {"good": "1-2", "fine": "1-2", "bad": "3", "worst": "4"}
    assert table["mean"].is_monotonic_increasing
    upward = nib.ranks(rows, "drop", better="higher")
    assert dict(upward["rank"]) == {"worst": "1", "bad": "2", "good": "3-4", "fine": "3-4"}
    assert nib.bold(table)[["good", "fine"]].all() and not nib.bold(table)[["bad", "worst"]].any()
    assert nib.bold(upward).to_dict() == {"worst": True, "bad": False, "good": False, "fine": False}


def test_a_method_between_two_shares_a_rank_with_both_and_none_is_bold():
    # the one in the middle is told apart from neither, but they are from each other
    rows = rows_of(first=noisy(0, 0, spread=0.1), middle=noisy(0.25, 1, spread=2), last=noisy(0.5, 2, spread=0.1))
    table = nib.ranks(rows, "drop")
    assert dict(table["rank"]) == {"first": "1-2", "middle": "1-3", "last": "2-3"}
    assert not nib.bold(table).any()


def test_nothing_is_bold_where_all_are_tied():
    table = nib.ranks(rows_of(a=noisy(5, 0), b=noisy(5, 1), c=noisy(5, 2)), "drop")
    assert set(table["rank"]) == {"1-3"} and not nib.bold(table).any()


def test_a_control_has_a_rank_beside_the_methods_and_changes_none():
    methods = {"good": noisy(5, 0), "fine": noisy(5.01, 1), "bad": noisy(9, 2)}
    controls = {"ceiling": noisy(1, 3), "between": noisy(7, 4), "chance": noisy(9, 5), "chance_too": noisy(9, 6)}
    alone = nib.ranks(rows_of(**methods), "drop")
    table = nib.ranks(rows_of(**controls, **methods), "drop", controls=controls)
    pd.testing.assert_frame_equal(table[~table.control], alone)
    assert table.loc[list(controls), "rank"].to_dict() == {"ceiling": "(1)", "between": "(3)", "chance": "(3-4)", "chance_too": "(3-4)"}
    assert nib.bold(table).to_dict() == nib.bold(alone).to_dict() | dict.fromkeys(controls, False)
    few = nib.ranks(rows_of(**methods, chance=controls["chance"]), "drop", controls=nib.CONTROLS.keys() | {"chance"})
    assert few.loc["chance"].tolist() == table.loc["chance"].tolist()  # nor does another control change it
    one = nib.ranks(rows_of(good=methods["good"], chance=controls["chance"]), "drop", controls=["chance"])
    assert one["rank"].to_dict() == {"good": "1", "chance": "(2)"} and not nib.bold(one).any()


@pytest.mark.parametrize("metric", ["published_image_increase", "corrected_image_drop", "corrected_text_drop"])
def test_committed_ranks_hang_on_no_seed(metric):
    """Nothing is drawn: three orders of the rows and states of the global generator give the same ranks."""
    rows = pd.read_csv(PAIRS).query("method in @SOME")
    found = nib.ranks(rows, metric, controls=nib.CONTROLS)["rank"]
    for seed in range(3):
        np.random.seed(seed)
        shuffled = rows.sample(frac=1, random_state=seed)
        again = nib.ranks(shuffled, metric, controls=nib.CONTROLS)["rank"]
        assert again.to_dict() == found.to_dict()


def test_committed_ranks_are_those_of_random_signs_where_these_are_sure():
    """An independent way: 60,000 random signs under three seeds, of five methods, whose family is small."""
    names = ["nib", "m2ib", "chefer", "attn_lrp", "saliency"]
    rows = pd.read_csv(PAIRS).query("method in @names")
    table = paired(rows, "corrected_image_drop", "method", "pair")
    couples = [(a, b) for i, a in enumerate(names) for b in names[i + 1:]]
    difference = np.stack([table[a] - table[b] for a, b in couples], 1)
    found = nib.ranks(rows, "corrected_image_drop")
    for seed in range(3):
        signs = 1.0 - 2 * np.random.default_rng(seed).integers(2, size=(60_000, len(table)), dtype=np.int8)
        p = holm((1 + (np.abs(signs @ difference) >= np.abs(difference.sum(0))).sum(0)) / 60_001)
        sure = [(a, b) if d < 0 else (b, a) for (a, b), d, q in zip(couples, difference.mean(0), p) if q < 0.05]
        assert found["first"].to_dict() == {name: 1 + sum(b == name for _, b in sure) for name in found.index}
        assert found["last"].to_dict() == {name: 5 - sum(a == name for a, _ in sure) for name in found.index}


def test_a_direction_is_asked_for():
    with pytest.raises(ValueError, match="better is 'less'"):
        nib.ranks(rows_of(a=noisy(5, 0, 9), b=noisy(5, 1, 9)), "drop", better="less")
