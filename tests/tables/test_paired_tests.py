"""Paired tests: worked by hand, tried out in full, and held to scipy."""
from itertools import product

import numpy as np
import pandas as pd
import pytest
from measured import noisy, rows_of
from scipy import stats

import nib_utils as nib
from nib_utils.tables.paired_tests import holm, margins, sign_flip


def test_signs_are_flipped_by_hand_and_in_full():
    # 1 + 2 + 3: only all plus and all minus reach 6; 1 - 1: every flip reaches 0
    assert sign_flip(np.array([[1.0, 1], [2, -1], [3, 0]])).tolist() == [2 / 8, 1]
    values = np.random.default_rng(0).standard_normal((9, 4)) + [0, 0.3, 0.8, 2]
    slow = [np.mean([abs(signs @ d) >= abs(d.sum()) - 1e-12 for signs in np.array(list(product([1, -1], repeat=9)))])
            for d in values.T]
    np.testing.assert_allclose(sign_flip(values), slow)
    theirs = [stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
              for d in values.T]
    np.testing.assert_allclose(sign_flip(values), theirs)


def flips(values: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The slow path: which share of `signs` (S, n) reaches the sum of each column of `values` (n, M)?"""
    return (np.abs(signs @ values) >= np.abs(values.sum(0)) - 1e-9 * np.abs(values).sum(0)).mean(0)


def test_convolution_comes_near_all_signs():
    values = np.random.default_rng(1).standard_normal((17, 6)) + [0, 0.2, 0.4, 0.6, 1, 3]
    every = flips(values, 1 - 2 * (np.arange(2**17)[:, None] >> np.arange(17) & 1))
    np.testing.assert_allclose(sign_flip(values), every, rtol=0.005)
    assert every[-1] == 2 / 2**17 == sign_flip(values)[-1]  # only all plus and all minus


def test_ties_are_kept_where_values_are_shares():
    """Increase is 0 or 100, pointing a half, a third or a quarter: rounding must not break one sum into two."""
    rng = np.random.default_rng(0)
    wins = 100.0 * rng.choice([-1, 0, 0, 1, 1], 120)
    signs = [stats.binomtest(int((wins > 0).sum()), int((wins != 0).sum())).pvalue]
    np.testing.assert_allclose(sign_flip(wins[:, None]), signs, rtol=1e-9)
    shares = np.stack([rng.integers(-d, d + 1, 16) / d for d in (2, 3, 4, 2, 3, 4)]).reshape(16, 6)
    every = flips(shares, 1 - 2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1))
    np.testing.assert_allclose(sign_flip(shares), every, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_random_signs_come_near_the_convolution(seed):
    values = np.random.default_rng(7).exponential(1, (120, 5)) - [0.7, 0.8, 0.9, 1, 1.1]
    p, draws = sign_flip(values), 40_000
    some = flips(values, 1.0 - 2 * np.random.default_rng(seed).integers(2, size=(draws, 120)))
    assert (np.abs(some - p) < 4 * np.sqrt(p * (1 - p) / draws) + 1e-4).all() and p.min() < 0.01 < p.max()


@pytest.mark.parametrize("n", [2000, 2001])
def test_thousands_of_units_are_tested_as_a_t_test_does(n):
    values = np.random.default_rng(3).exponential(1, (n, 4)) - [1, 1.02, 1.04, 1.06]
    np.testing.assert_allclose(sign_flip(values), stats.ttest_1samp(values, 0).pvalue, rtol=0.06, atol=0.01)
    assert sign_flip(np.ones((n, 1)))[0] < 1e-300 and sign_flip(np.zeros((n, 1)))[0] == 1


@pytest.mark.parametrize("n", [200, 2000])
def test_few_great_values_hide_no_small_ones(n):
    small, more = {200: (2.1, 146), 2000: (0.21, 1300)}[n]
    values = np.r_[50, -50, np.full(more, small), np.full(n - 2 - more, -small)]
    least = ((values.sum() - np.array([-100, 0, 0, 100])) / small + n - 2) / 2  # how many plus, by the two great ones' signs
    exact = 2 * stats.binom.sf(np.ceil(least) - 1, n - 2, 0.5).mean()
    assert sign_flip(values[:, None])[0] == pytest.approx(exact, rel=0.05) and exact < 0.01


def test_without_a_difference_few_tests_find_one():
    p = sign_flip(np.random.default_rng(2).standard_normal((30, 1000)))
    assert 0.03 < (p < 0.05).mean() < 0.07


def test_holms_correction_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, and 0.04 raised to the 0.06 before it
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1, 1] and holm([0.2]).tolist() == [0.2] and not len(holm([]))


def test_compare_pairs_the_methods_unit_by_unit():
    a, b, c = noisy(5, 0), noisy(5, 1), noisy(9, 2)
    table = nib.compare(rows_of(a=a, b=b, c=c), "drop").set_index(["a", "b"])
    assert len(table) == 3 and (table["n"] == 60).all()
    for (x, y), row in table.iterrows():
        d = {"a": a, "b": b, "c": c}[x] - {"a": a, "b": b, "c": c}[y]
        assert row.difference == pytest.approx(d.mean())
        assert (row.low, row.high) == pytest.approx(nib.interval(d))
        assert row.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.02)
    np.testing.assert_allclose(table.p_holm, holm(table.p))


def test_pairing_finds_what_lies_below_the_spread_of_the_pairs():
    difficulty = noisy(50, 0, spread=30)
    table = nib.compare(rows_of(a=difficulty, b=difficulty + noisy(1, 1)), "drop")
    assert table.p[0] < 0.001 and stats.ttest_ind(difficulty, difficulty + 1).pvalue > 0.5


def test_a_reference_is_compared_with_the_others_alone():
    rows = rows_of(a=noisy(5, 0), b=noisy(5, 1), random=noisy(9, 2))
    few, every = nib.compare(rows, "drop", reference="random"), nib.compare(rows, "drop")
    assert set(few.a) == {"a", "b"} and (few.b == "random").all() and (few.difference < -3).all()
    assert (few.p_holm < every.p_holm.max()).all()


def test_alike_methods_are_not_told_apart():
    same = noisy(5, 0)
    table = nib.compare(rows_of(a=same, b=same), "drop").iloc[0]
    assert table.difference == table.low == table.high == 0 and table.p == table.p_holm == 1


def test_controls_correct_nobody_but_themselves():
    methods = {name: noisy(mean, i, 40) for i, (name, mean) in enumerate({"a": 5, "b": 5.4, "c": 6}.items())}
    controls = {f"control_{i}": noisy(6, 9 + i, 40) for i in range(6)}
    alone = nib.compare(rows_of(**methods), "drop")
    beside = nib.compare(rows_of(**controls, **methods), "drop", controls=controls).set_index("a")
    np.testing.assert_allclose(np.sort(beside.drop(list(controls)).p_holm), np.sort(alone.p_holm))
    assert len(alone) == 3 and len(beside) == 3 + 6 * 3 and not set(beside.b) & set(controls)
    for name in controls:  # a family of its own; no two controls are compared
        np.testing.assert_allclose(beside.loc[name, "p_holm"], holm(beside.loc[name, "p"]))
    best = nib.compare(rows_of(**controls, **methods), "drop", reference="a", controls=controls).set_index("a")
    np.testing.assert_allclose(best.loc[["b", "c"], "p_holm"], holm(best.loc[["b", "c"], "p"]))
    np.testing.assert_allclose(best.loc[list(controls), "p_holm"], best.loc[list(controls), "p"])
    assert len(nib.compare(rows_of(**controls), "drop", controls=controls)) == 15  # nothing else is there


def test_the_margin_is_the_least_at_which_two_one_sided_tests_agree():
    values = np.random.default_rng(0).exponential(1, (25, 3)) - [0.8, 1, 1.3]
    for d, margin in zip(values.T, margins(values)):
        both = [max(stats.ttest_1samp(d, -m, alternative="greater").pvalue, stats.ttest_1samp(d, m, alternative="less").pvalue)
                for m in (margin, 0.999 * margin)]
        assert both[0] == pytest.approx(0.05) and both[1] > 0.05
    table = nib.compare(rows_of(a=values[:, 0], b=values[:, 1]), "drop")
    np.testing.assert_allclose(table.margin, margins(values[:, :1] - values[:, 1:2]))
    assert margins(np.ones((1, 2))).tolist() == [np.inf] * 2 and margins(np.zeros((5, 1))) == [0]


def test_a_duel_is_one_test_for_each_metric():
    rows = rows_of(nib=noisy(5, 0), m2ib=noisy(7, 1), random=noisy(50, 2)).assign(gain=lambda r: -r["drop"], same=3.0)
    table = nib.duel(rows, {"drop": "lower", "gain": "higher", "same": "lower"})
    assert table.better.to_dict() == {"drop": "nib", "gain": "nib", "same": "not told apart"}
    alone = nib.compare(rows[rows.method != "random"], "drop", reference="m2ib").iloc[0]
    assert table.loc["drop"].drop("better").to_dict() == alone.drop("p_holm").to_dict() and alone.difference < -1
    swapped = nib.duel(rows, {"drop": "lower", "gain": "higher"}, a="m2ib", b="nib")
    assert (swapped.better == "nib").all() and swapped.p["drop"] == table.p["drop"]
    assert swapped.difference["drop"] == -table.difference["drop"] and (table.n == 60).all()


def test_layers_are_compared_as_methods_are():
    rows = rows_of(h_6=noisy(5, 0), h_9=noisy(9, 1)).replace({"method": {"h_6": 6, "h_9": 9}}).rename(columns={"method": "layer"})
    table = nib.compare(rows, "drop", by="layer", reference=9)
    assert table.a.tolist() == [6] and table.difference[0] < -3 and table.p[0] < 1e-6
    assert nib.summary(rows, "drop", by="layer").loc[(6, "drop"), "n"] == 60


@pytest.mark.parametrize("work, words", [
    (lambda rows: nib.compare(rows.assign(drop=np.inf), "drop"), "row 0 of drop of . is inf"),
    (lambda rows: nib.compare(rows.drop(columns="pair"), "drop"), "lack the column 'pair'"),
    (lambda rows: nib.compare(rows[~((rows.method == "b") & (rows.pair == 7))], "drop"),
     "method 'b' has no row of pair 7, which others have"),
    (lambda rows: nib.compare(pd.concat([rows, rows.tail(1)]), "drop"), "has several rows of pair"),
    (lambda rows: nib.compare(rows[rows.method == "a"], "drop"), "method has the one value 'a'"),
    (lambda rows: nib.compare(rows, "drop", reference="d"), "reference is 'd'; pass one of"),
    (lambda rows: nib.duel(rows, {"drop": "lower"}), "method is 'nib'; pass one of '[ab]', '[ab]'"),
    (lambda rows: nib.duel(rows, {"drop": "less"}, "a", "b"), "better for drop is 'less'"),
])
def test_what_cannot_be_compared_is_refused(work, words):
    with pytest.raises(ValueError, match=words):
        work(rows_of(a=noisy(5, 0, 9), b=noisy(5, 1, 9)))


def test_controls_are_names():
    with pytest.raises(TypeError, match="controls are 'random'; pass a list of names"):
        nib.compare(rows_of(a=noisy(5, 0, 9), b=noisy(5, 1, 9)), "drop", controls="random")
