"""Means of parts: exact, whatever the cuts; the interval as the bootstrap's; refused pairs count nowhere."""
import json
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import nib_utils as nib
from nib_utils.measures.parts import Parts
from nib_utils.tables.merged import add


def run(folder, values, cuts):
    parts = Parts(folder)
    with parts.alone():
        for first, last in zip([0, *cuts], [*cuts, len(values)]):
            rows = pd.DataFrame({"pair": range(first, last), "shard": "a", "row": 0, "key": "", "drop": values[first:last]})
            rows["fault"] = np.where(rows["drop"].isna(), "none", "")
            parts.write(rows.assign(other=2.0), ["drop", "other"], {"shard": 0, "row": 0, "seconds": 0.0, "memory": 0})
    return folder


@pytest.fixture
def values():
    found = np.random.default_rng(0).standard_normal(500) * 10.0 ** np.random.default_rng(1).integers(-8, 9, 500)
    found[7] = np.nan
    return found


def test_cuts_change_no_bit(values, tmp_path):
    whole = nib.merged(run(tmp_path / "a", values, []))
    for i, cuts in enumerate(([1], [40, 80, 499], list(range(5, 500, 5)))):
        pd.testing.assert_frame_equal(nib.merged(run(tmp_path / str(i), values, cuts)), whole, check_exact=True)
    two = nib.merged(run(tmp_path / "b", values[:200], [50]), run(tmp_path / "c", values[200:], []))
    pd.testing.assert_frame_equal(two, whole, check_exact=True)
    good = values[~np.isnan(values)]
    assert whole.loc["drop", "mean"] == math.fsum(good) / 499 and whole.loc["drop", "n"] == 499


def test_sums_are_exact(values):
    good = values[~np.isnan(values)]
    terms = add(add([], good[:100]), good[100:])
    assert sum(map(Fraction, terms)) == sum(map(Fraction, good.tolist())) and len(terms) < 10
    assert add([1e16], np.array([1.0])) == [1e16, 1.0] and add([], np.array([])) == []


def test_the_interval_is_near_the_bootstraps(tmp_path):
    values = np.random.default_rng(2).exponential(10, 2000)
    found, (low, high) = nib.merged(run(tmp_path, values, [700])).loc["drop"], nib.interval(values)
    assert found.low == pytest.approx(low, abs=0.05 * (high - low)) and found.high == pytest.approx(high, abs=0.05 * (high - low))
    narrow = nib.merged(tmp_path, level=0.5).loc["drop"]
    assert found.low < narrow.low < found["mean"] < narrow.high < found.high
    assert found["mean"] - found.low == pytest.approx(1.96 * values.std(ddof=1) / 2000**0.5, rel=2e-3)


def test_one_pair_and_equal_values_have_no_width(tmp_path):
    one = nib.merged(run(tmp_path, np.array([3.0]), []))
    assert (one.low == one["mean"]).all() and (one.high == one["mean"]).all() and one.loc["other", "mean"] == 2.0


def test_what_was_measured_nowhere_has_no_mean(tmp_path):
    found = nib.merged(run(tmp_path, np.array([np.nan, np.nan]), [1]))
    assert found.loc["drop", "n"] == 0 and math.isnan(found.loc["drop", "mean"]) and found.loc["other", "n"] == 2


def test_folders_without_measured_pairs_are_refused(tmp_path):
    for folders in ((), (tmp_path / "none",)):
        with pytest.raises(ValueError, match="there are no measured pairs in .*; name the folder of evaluate_stream"):
            nib.merged(*folders)
    with pytest.raises(ValueError, match="there are no measured pairs in '.*typo'; name"):  # nobody sees half of it as the whole
        nib.merged(run(tmp_path / "one", np.ones(3), []), tmp_path / "typo")
    with pytest.raises(ValueError, match="level is 2"):
        nib.merged(tmp_path, level=2)


def test_pairs_count_once_and_other_work_is_refused(values, tmp_path):
    def told(name, method, shard):
        run(tmp_path / name, values[:9], [])
        work = {"method": method, "stream": "tar", "seed": len(name)}
        (tmp_path / name / "manifest.json").write_text(json.dumps({"work": work, "shards": [[shard, 10]]}))
        return tmp_path / name

    one, two, same, other = told("a", "nib", "0.tar"), told("bb", "nib", "1.tar"), told("c", "nib", "0.tar"), told("d", "rise", "2.tar")
    assert nib.merged(one, two).loc["other", "n"] == 18
    with pytest.raises(ValueError, match="'.*a' is named twice; count"):
        nib.merged(one, two, one)
    with pytest.raises(ValueError, match="'.*c' and '.*a' both hold 0.tar of 10 bytes; count"):
        nib.merged(one, same)
    with pytest.raises(ValueError, match="'.*d' and '.*a' are of different work: method is 'rise' and 'nib'; merge"):
        nib.merged(one, other)
