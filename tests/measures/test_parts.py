"""Rows in files: written whole, read back to the bit, and refused when they are not as they were written."""
import json

import numpy as np
import pandas as pd
import pytest

from nib_utils.measures.parts import Parts


def frame(first: int, count: int) -> pd.DataFrame:
    values = np.random.default_rng(first).standard_normal(count) * 10.0 ** np.arange(-3, count - 3)
    return pd.DataFrame({"pair": range(first, first + count), "shard": "a.tar", "row": range(count), "key": "käfer", "drop": values,
                         "fault": [""] * (count - 1) + ["it, \"is\" bad"]})


@pytest.fixture
def parts(tmp_path):
    made = Parts(tmp_path / "out")
    with made.alone():
        made.agree({"seed": 0}, [("a.tar", 5)], {"commit": "x"})
        for first, row in ((0, 4), (4, 8)):
            made.write(frame(first, 4), ["drop"], {"shard": 2, "row": row, "seconds": 1.5, "memory": 80})
    return made


def test_rows_come_back_to_the_bit(parts):
    found = pd.concat(parts.read(), ignore_index=True)
    want = pd.concat([frame(0, 4), frame(4, 4)], ignore_index=True)
    pd.testing.assert_frame_equal(found[want.columns], want, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(parts.folder / "parts"), found, check_exact=True)
    assert parts.end() == (8, 2, 8) and Parts(parts.folder / "none").end() == (0, 0, 0)
    assert [list(rows) for rows in parts.read(["drop"])] == [["drop"]] * 2


def test_what_each_part_took_is_told(parts):
    assert parts.pace().to_dict("list") == {"first": [0, 4], "last": [3, 7], "refused": [1, 1], "seconds": [1.5, 1.5], "memory": [80, 80]}


def test_the_refused_are_listed(parts):
    parts.list_refused()
    assert (parts.folder / "refused.csv").read_text() == (
        'pair,shard,row,key,fault\n3,a.tar,3,käfer,"it, ""is"" bad"\n7,a.tar,3,käfer,"it, ""is"" bad"\n')


def test_a_part_that_is_missing_is_named(parts):
    first, second = parts.files()
    first.unlink()
    with pytest.raises(ValueError, match="part-000000004-000000007.parquet' begins at pair 4, but those before it end at pair -1"):
        parts.end()


def test_a_part_that_was_changed_is_refused_not_believed(parts):
    file = parts.files()[1]
    good = file.read_bytes()
    for at in range(4, len(good), 61):
        file.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        try:
            found = pd.concat(parts.read(), ignore_index=True)
        except ValueError as error:
            assert "is not as it was written (" in str(error) and "run again." in str(error)
        else:  # a statistic, a name of the library
            pd.testing.assert_series_equal(found["drop"][4:], frame(4, 4)["drop"], check_exact=True, check_index=False)
    for content in (b"", good[:-9], b"x" * 100):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is not as it was written .*; remove it and the parts after it, and run again"):
            parts.end()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "5", json.dumps({"work": {}}), json.dumps({"work": 5, "shards": []})])
def test_a_manifest_that_cannot_be_read_is_refused(parts, content):
    (parts.folder / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match="out' holds parts, but its manifest.json cannot be read|holds parts of other"):
        parts.agree({"seed": 0}, [("a.tar", 5)], {})


def test_a_manifest_without_parts_is_written_anew(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    Parts(tmp_path).agree({"seed": 0}, [], {"commit": "y"})
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"work": {"seed": 0}, "about": {"commit": "y"}, "shards": []}


def test_a_full_disk_leaves_no_half_part(small_disk):
    made = Parts(small_disk)
    rows = pd.DataFrame({"pair": range(9000), "shard": "a", "row": 0, "key": "", "fault": "", "drop": np.random.default_rng(0).random(9000)})
    with made.alone(), pytest.raises(OSError, match="part-000000000-000008999.parquet' cannot be written .*No space left"):
        made.write(rows, ["drop"], {"shard": 0, "row": 0, "seconds": 0.0, "memory": 0})
    assert made.files() == [] and not list((small_disk / "parts").iterdir())
