"""Intervals: worked by hand, and held to a plain loop."""
import numpy as np
import pandas as pd
import pytest
from measured import noisy, rows_of

import nib_utils as nib
from nib_utils.tables.statistics import intervals


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
    values = np.random.default_rng(0).random(13_333)
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


@pytest.mark.parametrize("work, words", [
    (lambda rows: nib.interval([1, np.nan]), "row 1 of the values is nan"),
    (lambda rows: nib.interval([]), r"values have shape \(0,\)"),
    (lambda rows: nib.interval([1, 2], level=95), "level is 95"),
    (lambda rows: nib.interval([1, 2], draws=0), "draws is 0"),
    (lambda rows: nib.summary(rows, "increase"), "lack the column 'increase'"),
    (lambda rows: nib.summary(rows.assign(drop=np.nan), "drop"), "row 0 of drop of . is nan"),
    (lambda rows: nib.summary(rows.head(0), "drop"), "there are no rows"),
])
def test_what_has_no_interval_is_refused(work, words):
    with pytest.raises(ValueError, match=words):
        work(rows_of(a=noisy(5, 0, 9), b=noisy(5, 1, 9)))
