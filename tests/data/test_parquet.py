"""Rows of Parquet as a stream: the hub's columns and img2dataset's, spoilt cells and groups, and from any row on."""
import sys

import pytest
from archives import encoded, parquet

from nib_utils.data import parquet as reader
from nib_utils.data.parquet import count_rows, find_columns, read_parquet
from nib_utils.data.shards import MOST_LETTERS

PICTURE = encoded()


def test_the_hub_s_pictures_and_plain_bytes_are_read(tmp_path):
    hub = parquet(tmp_path / "0.parquet", [{"bytes": encoded(i), "path": "a.jpg"} for i in range(40)], [f" {i} " for i in range(40)])
    plain = parquet(tmp_path / "1.parquet", [encoded(i) for i in range(40)], [str(i) for i in range(40)], "jpg", "txt")
    for file in (hub, plain):
        found = list(read_parquet(file, 0, find_columns(file)))
        assert [(one.image, one.caption, one.row, one.fault) for one in found] == [(encoded(i), str(i), i, "") for i in range(40)]
        assert count_rows(file) == 40


def test_from_any_row_on_it_is_the_same(tmp_path):
    captions = [None if i == 7 else str(i) for i in range(50)]
    file = parquet(tmp_path / "0.parquet", [encoded(i) for i in range(50)], captions, row_group_size=20)
    whole = list(read_parquet(file))
    assert [one.row for one in whole] == list(range(50))
    for start in (0, 1, 7, 8, 16, 19, 20, 21, 39, 40, 49, 50, 99):
        assert list(read_parquet(file, start)) == whole[start:]


def test_of_several_captions_the_first_is_taken(tmp_path):
    found = list(read_parquet(parquet(tmp_path / "0.parquet", [PICTURE] * 3, [["a", "b"], ["c"], []])))
    assert [one.caption for one in found] == ["a", "c", ""] and found[2].fault == "its caption is None, not text"


@pytest.mark.parametrize("image, caption, said", [
    (None, "a", "it has no bytes of a picture"), ({"bytes": None, "path": "/etc/passwd"}, "a", "it has no bytes of a picture"),
    ("a.jpg", "a", "it has no bytes of a picture"), (5, "a", "it has no bytes of a picture"), (PICTURE, None, "its caption is None, not text"),
    (PICTURE, 5, "its caption is 5, not text"), (PICTURE, " ", "its caption is empty"),
    (PICTURE, "a" * (MOST_LETTERS + 1), "its caption has 100001 letters, more than the 100000 that are read")])
def test_what_is_no_pair_says_why(tmp_path, image, caption, said):
    (one,) = read_parquet(parquet(tmp_path / "0.parquet", [image], [caption]))
    assert (one.fault, one.image, one.caption) == (said, b"", "")


def test_a_huge_picture_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MOST_BYTES", 100)
    (one,) = read_parquet(parquet(tmp_path / "0.parquet", [PICTURE], ["a"]))
    assert one.fault == f"its picture has {len(PICTURE)} bytes, more than the 100 that are read"


def test_columns_are_found_or_named(tmp_path):
    file = parquet(tmp_path / "0.parquet", [PICTURE], ["a"], "foto", "says")
    assert find_columns(file, "foto", "says") == ("foto", "says")
    with pytest.raises(ValueError, match="has no column 'image' or 'jpg' .* of images; it has foto, says; name one as image=COLUMN"):
        find_columns(file)
    with pytest.raises(ValueError, match="has no column 'text' of captions; it has foto, says"):
        find_columns(file, "foto", "text")
    (tmp_path / "1.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="1.parquet' cannot be read as Parquet .Arrow.*; fetch it again"):
        find_columns(tmp_path / "1.parquet")


def test_another_shard_without_the_columns_is_told_and_left_out(tmp_path):
    (one,) = read_parquet(parquet(tmp_path / "0.parquet", [PICTURE], ["a"], "foto"))
    assert one.fault.startswith("row group 0 cannot be read from here on (KeyError: ") and one.row == 0
    (tmp_path / "1.parquet").write_bytes(b"PAR1" + bytes(50) + b"PAR1")
    (one,) = read_parquet(tmp_path / "1.parquet")
    assert one.fault.startswith("the rest of the shard cannot be read (")
    assert not list(read_parquet(tmp_path / "1.parquet", 1))


def test_a_spoilt_row_group_is_told_once_and_the_next_is_read(tmp_path):
    """Wherever the run goes on: what follows is the same."""
    images = [bytes([i]) * 3000 for i in range(60)]
    file = parquet(tmp_path / "0.parquet", images, [str(i) for i in range(60)], row_group_size=20, write_page_checksum=True,
                   compression="none", use_dictionary=False)
    content = bytearray(file.read_bytes())
    content[content.index(bytes([30]) * 3000) + 5] ^= 1
    file.write_bytes(content)
    whole = list(read_parquet(file))
    faults = [one for one in whole if one.fault]
    assert [one.row for one in faults] == [20] and "row group 1 cannot be read from here on (OSError: " in faults[0].fault
    assert [one.row for one in whole] == [*range(21), *range(40, 60)]
    for at, one in enumerate(whole):
        assert list(read_parquet(file, one.row + 1)) == whole[at + 1 :]


def test_without_the_package_one_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"'pyarrow.parquet' is needed but cannot be imported .*pip install 'nib-utils\[large\]'"):
        find_columns(tmp_path)
