"""Which files a source means, and in which order."""
import os

import pytest

from nib_utils.data.shards import find_shards, printable


@pytest.fixture
def folder(tmp_path):
    for name in ("00001.tar", "00000.tar", "00010.tar", "00000.parquet", "00000_stats.json"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("pattern, names", [
    ("", ["00000.tar", "00001.tar", "00010.tar"]), ("00001.tar", ["00001.tar"]), ("*.parquet", ["00000.parquet"]),
    ("*.tar", ["00000.tar", "00001.tar", "00010.tar"]), ("0000?.tar", ["00000.tar", "00001.tar"]),
    ("{00000..00001}.tar", ["00000.tar", "00001.tar"]), ("000{0..0}{1..1}.tar", ["00001.tar"]),
    ("{00010..00010}.*r", ["00010.tar"])])
def test_a_source_means_files_in_order(folder, pattern, names):
    assert [file.name for file in find_shards(f"{folder}/{pattern}")] == names


def test_a_file_whose_name_looks_like_a_pattern_stands_for_itself(tmp_path):
    for name in ("a[1]*.tar", "{0..1}.tar", "a1.tar"):
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in find_shards(tmp_path / "a[1]*.tar")] == ["a[1]*.tar"]
    assert [file.name for file in find_shards(str(tmp_path / "{0..1}.tar"))] == ["{0..1}.tar"]


@pytest.mark.parametrize("source, said", [
    ("{00000..00002}.tar", "there is no shard '.*00002.tar'; fetch it"), ("none.tar", "there is no shard '.*none.tar'"),
    ("x*.tar", "there are no shards at '.*'; name a folder"), ("\0*", "there are no shards at"),
    ("x" * 5000 + ".tar", "there is no shard '.*xxx...xxx.*'; fetch it")])
def test_shards_that_are_not_there(folder, source, said):
    with pytest.raises(FileNotFoundError, match=said):
        find_shards(f"{folder}/{source}")


@pytest.mark.parametrize("source, said", [
    ("*_stats.json", "means '.*stats.json', but shards are plain .tar"), ("0000[0]*", "but shards are plain .tar files, or"),
    ("{0..99999999}.tar", "means more than 1,000,000 shards"), ("{0..9999}{0..9999}.tar", "means more than 1,000,000 shards")])
def test_files_of_another_kind_or_of_both(folder, source, said):
    with pytest.raises(ValueError, match=said):
        find_shards(f"{folder}/{source}")


@pytest.mark.parametrize("source", ["", " ", None, 5, [], b"x"])
def test_what_is_no_path_is_refused(source):
    with pytest.raises(TypeError, match="the source is .*; pass a folder, a file or a pattern"):
        find_shards(source)


def test_a_folder_without_shards(tmp_path):
    os.mkdir(tmp_path / "a.tar")
    with pytest.raises(FileNotFoundError, match="there is no shard '.*a.tar'"):
        find_shards(tmp_path)
    with pytest.raises(FileNotFoundError, match="there are no shards at"):
        find_shards(tmp_path / "a.tar")


def test_names_of_strangers_fit_on_a_line():
    assert printable("käfer 1") == "käfer 1" and printable("a\nb\x1b[1m\udc80\u202e") == "a\\nb\\x1b[1m\\udc80\\u202e"
    assert len(printable("x" * 10_000)) == 200
