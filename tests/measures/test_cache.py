"""Finished pairs that are kept: by several processes at once, and only as they were written."""
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import nib_utils as nib
from nib_utils.measures import cache

HERE = Path(__file__).parents[2]
WORK = """
import sys, torch, nib_utils as nib
torch.set_num_threads(1)
rows = nib.evaluate(nib.load_clip("mini"), nib.load_pairs("shapes", n=4), "random", chunk=1, cache=sys.argv[1])
rows.to_pickle(sys.argv[2])
"""


@pytest.fixture(scope="module")
def clip():
    return nib.load_clip("mini")


@pytest.fixture
def frame():
    return pd.DataFrame({"drop": [0.1, 1 / 3, 2e-17], "similarity": [1.0, -0.5, 0.25]})


def test_rows_come_back_exactly(frame, tmp_path):
    assert cache.read(tmp_path / "none.csv").empty
    cache.write(tmp_path / "new" / "rows.csv", frame)
    pd.testing.assert_frame_equal(cache.read(tmp_path / "new" / "rows.csv"), frame, check_exact=True)


@pytest.mark.parametrize("change", [
    lambda lines: [*lines[:2], "0.2,1.0", *lines[3:]], lambda lines: lines[:-1], lambda lines: [*lines, lines[-1]],
    lambda lines: [lines[0], *(line.split(",")[0] for line in lines[1:])], lambda lines: [*lines[:2], ",", *lines[3:]],
    lambda lines: lines[1:], lambda lines: [], lambda lines: ["\0\0", *lines]],
    ids=["another value", "fewer rows", "more rows", "a column less", "nan", "no checksum", "empty", "other bytes"])
def test_a_file_that_was_changed_is_not_believed(change, frame, tmp_path):
    file = tmp_path / "rows.csv"
    cache.write(file, frame)
    file.write_text("".join(line + "\n" for line in change(file.read_text().splitlines())))
    with pytest.warns(UserWarning, match="rows.csv' was changed since it was written, so it is not believed"):
        assert cache.read(file).empty


def test_changed_rows_are_measured_anew(clip, tmp_path):
    pairs = nib.load_pairs("shapes", n=3)
    evaluate = lambda: nib.evaluate(clip, pairs, "random", chunk=2, cache=tmp_path).drop(columns="explain_seconds")
    first, file = evaluate(), next(tmp_path.iterdir())
    pd.testing.assert_frame_equal(evaluate(), first, check_exact=True)
    file.write_text(file.read_text().replace(",", ",1", 1))
    with pytest.warns(UserWarning, match="not believed"):
        pd.testing.assert_frame_equal(evaluate(), first)
    pd.testing.assert_frame_equal(evaluate(), first)


def test_three_processes_at_one_cache_all_finish_equal_to_one(clip, tmp_path):
    start = lambda i: subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path / "cache"), str(tmp_path / f"{i}.pickle")], cwd=HERE)
    running = [start(i) for i in range(3)]
    assert [process.wait(300) for process in running] == [0, 0, 0]
    alone = nib.evaluate(clip, nib.load_pairs("shapes", n=4), "random", chunk=1).drop(columns="explain_seconds")
    for i in range(3):
        found = pd.read_pickle(tmp_path / f"{i}.pickle").drop(columns="explain_seconds")
        pd.testing.assert_frame_equal(found, alone, rtol=1e-4, atol=1e-4)
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 1 and len(cache.read(kept[0])) == 4
