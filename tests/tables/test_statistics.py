"""Intervals, paired tests and ranks: worked by hand, tried out in full, and held to scipy."""
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import nib_utils as nib
from nib_utils.tables.statistics import CHUNK, holm, intervals, sign_flip


def rows_of(**values) -> pd.DataFrame:
    """One row per method and pair, in an order of its own."""
    rows = pd.concat({name: pd.DataFrame({"drop": v}) for name, v in values.items()}, names=["method", "pair"])
    return rows.reset_index().sample(frac=1, random_state=0)


def noisy(mean: float, seed: int, n: int = 60, spread: float = 1.0) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).standard_normal(n)


def test_the_interval_of_two_values_by_hand():
    # means of two draws from {0, 1}: 0, 1/2, 1 with chances 1/4, 1/2, 1/4
    assert nib.interval([0, 1]) == (0, 1)
    assert nib.interval([0, 1], level=0.4) == (0.5, 0.5)
    assert nib.interval([3.0] * 7) == (3, 3)
    assert nib.interval([0, 1, 5], seed=1) == nib.interval([0, 1, 5], seed=1)


def test_the_interval_is_that_of_a_plain_loop_over_resamples():
    values = np.random.default_rng(0).exponential(10, (80, 3))
    rng, means = np.random.default_rng(1), []
    for _ in range(20_000):
        means.append(values[rng.integers(80, size=80)].mean(0))
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(intervals(values, draws=20_000), [low, high], atol=0.03 * (high - low).max())
    np.testing.assert_allclose(intervals(values, draws=20_000, seed=1), [low, high], rtol=1e-12)  # the same resamples


def test_one_value_is_its_own_interval():
    assert nib.interval([4.0]) == (4, 4)
    low, high = intervals(np.array([[1.0, 2.0]]))
    assert low.tolist() == high.tolist() == [1, 2]


def test_the_interval_covers_the_truth_as_often_as_it_says():
    samples = np.random.default_rng(0).exponential(1, (60, 400))  # 400 samples of 60, true mean 1
    low, high = intervals(samples, level=0.8, draws=1000)
    assert 0.74 < ((low < 1) & (1 < high)).mean() < 0.84


def test_many_values_are_resampled_in_parts():
    values = np.random.default_rng(0).random(CHUNK // 300)
    low, high = nib.interval(values, draws=700)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / len(values) ** 0.5, rel=0.15)


def test_summary_has_each_metric_of_each_method():
    rows = rows_of(nib=[1.0, 2, 3, 6], chance=[5.0, 5, 5, 5]).assign(gain=lambda r: -r["drop"])
    table = nib.summary(rows, ["drop", "gain"])
    assert table.loc[("nib", "drop"), "mean"] == 3 and table.loc[("nib", "gain"), "mean"] == -3
    assert (table["n"] == 4).all() and list(table.columns) == ["mean", "low", "high", "n"]
    assert table.loc[("chance", "drop")].tolist() == [5, 5, 5, 4]
    values = rows[rows.method == "nib"]["drop"]
    assert tuple(table.loc[("nib", "drop"), ["low", "high"]]) == nib.interval(values)
    pd.testing.assert_frame_equal(nib.summary(rows, "drop"), table.xs("drop", level=1, drop_level=False))


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


def test_random_signs_come_near_all_signs():
    values = np.random.default_rng(1).standard_normal((16, 5)) + [0, 0.2, 0.4, 0.6, 3]
    every, some = sign_flip(values, draws=2**16), sign_flip(values)
    np.testing.assert_allclose(some, every, atol=0.012)
    assert 1 / 20_001 <= some[-1] < 1e-3  # never zero: what was observed is one of the flips


def test_without_a_difference_few_tests_find_one():
    p = sign_flip(np.random.default_rng(2).standard_normal((30, 1000)), draws=2000)
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


@pytest.mark.parametrize("work, words", [
    (lambda rows: nib.interval([1, np.nan]), "row 1 of the values is nan"),
    (lambda rows: nib.interval([]), r"values have shape \(0,\)"),
    (lambda rows: nib.interval([1, 2], level=95), "level is 95"),
    (lambda rows: nib.interval([1, 2], draws=0), "draws is 0"),
    (lambda rows: nib.summary(rows, "increase"), "lack the column 'increase'"),
    (lambda rows: nib.summary(rows.assign(drop=np.nan), "drop"), "row 0 of drop of . is nan"),
    (lambda rows: nib.compare(rows.assign(drop=np.inf), "drop"), "row 0 of drop of . is inf"),
    (lambda rows: nib.compare(rows.drop(columns="pair"), "drop"), "lack the column 'pair'"),
    (lambda rows: nib.summary(rows.head(0), "drop"), "there are no rows"),
    (lambda rows: nib.compare(rows[~((rows.method == "b") & (rows.pair == 7))], "drop"),
     "method 'b' has no row of pair 7, which others have"),
    (lambda rows: nib.compare(pd.concat([rows, rows.tail(1)]), "drop"), "has several rows of pair"),
    (lambda rows: nib.compare(rows[rows.method == "a"], "drop"), "method has the one value 'a'"),
    (lambda rows: nib.compare(rows, "drop", reference="d"), "reference is 'd'; pass one of"),
    (lambda rows: nib.ranks(rows, "drop", better="less"), "better is 'less'"),
])
def test_what_cannot_be_compared_is_refused(work, words):
    with pytest.raises(ValueError, match=words):
        work(rows_of(a=noisy(5, 0, 9), b=noisy(5, 1, 9)))
