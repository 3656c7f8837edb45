"""A data set as a stream: drawn, of tars and of Parquet alike; pictures that bite; and the same shards as a table."""
import re
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from archives import encoded, member, pair, parquet, tar
from PIL import Image

import nib_utils as nib
from nib_utils.data.shards import Sample
from nib_utils.data.stream import MOST_PIXELS, decoded


@pytest.fixture
def shards(tmp_path):
    """Two tars, of four samples and of three, the second of which is none."""
    tar(tmp_path / "a" / "0.tar", *pair("a", 10), member("b.jpg", b"no picture"), member("b.txt", b"b"), *pair("c", 30))
    tar(tmp_path / "a" / "1.tar", *pair("d", 40), *pair("e", 50, " "), *pair("f", 60))
    return tmp_path / "a"


def test_pairs_of_tars_come_decoded_and_what_is_none_says_why(shards):
    found = list(nib.open_stream(shards))
    assert [(one.shard, one.row, one.key, bool(one.fault)) for one in found] == [
        ("0.tar", 0, "a", False), ("0.tar", 1, "b", True), ("0.tar", 2, "c", False),
        ("1.tar", 0, "d", False), ("1.tar", 1, "e", True), ("1.tar", 2, "f", False)]
    assert [one.image and one.image.size for one in found] == [(40, 30), None, (40, 30), (40, 30), None, (40, 30)]
    assert found[1].fault == "its picture is none of JPEG, PNG, WEBP, GIF, BMP, TIFF"
    assert found[4].fault == "its caption is empty"


def test_from_any_place_on_it_is_the_same(shards):
    stream = nib.open_stream(shards)
    whole = list(stream.samples())
    for i, (number, one) in enumerate(whole):
        assert list(stream.samples(number, one.row + 1)) == whole[i + 1 :]
    assert 3 < stream.length() < 12 and [name for name, _ in stream.shards] == ["0.tar", "1.tar"]


def test_parquet_gives_the_pairs_of_the_tars(shards, tmp_path):
    good = [one for one in nib.open_stream(shards) if not one.fault]
    file = parquet(tmp_path / "p.parquet", [{"bytes": encoded(c), "path": None} for c in (10, 30, 40, 60)], [one.caption for one in good])
    again = list(nib.open_stream(file))
    assert [one.caption for one in again] == [one.caption for one in good]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, good)) and nib.open_stream(file).length() == 4


@pytest.mark.parametrize("name", ["shapes", "shapes-hard"])
def test_a_drawn_world_is_that_of_load_pairs_from_any_scene_on(name):
    pairs = nib.load_pairs(name, n=5, seed=3)
    stream = nib.open_stream(name, seed=3)
    for (_, one), i in zip(stream.samples(0, 2), (2, 3, 4)):
        assert (one.row, one.caption) == (i, pairs.caption[i]) and np.array_equal(one.image, pairs.image[i])
    assert stream.length() == float("inf") and next(iter(stream)).caption == pairs.caption[0]


def png(width: int, height: int) -> bytes:
    """A PNG that declares a size, with next to nothing in it."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""))


@pytest.mark.parametrize("content, said", [
    (b"", "its picture is none of JPEG"), (b"GIF89a", "its picture is none of JPEG"), (encoded()[:-200], "cannot be decoded .OSError: "),
    (png(10_000, 9_000), f"its picture has 10000 x 9000 pixels; 1 to {MOST_PIXELS} in all are read"),
    (png(2**31 - 1, 2**31 - 1), "cannot be decoded .DecompressionBombError"), (png(0, 5), "its picture "),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "its picture is none of JPEG"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "its picture is none of JPEG")])
def test_a_picture_that_bites_is_refused(content, said, recwarn):
    found = decoded(Sample("0.tar", 0, "a", content, "a"))
    assert found.image is None and "\n" not in found.fault and len(found.fault) < 300
    assert re.search(said, found.fault), found.fault
    assert not recwarn


def test_modes_and_turns_are_as_from_a_file(tmp_path):
    for mode, form in (("L", "PNG"), ("RGBA", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("I;16", "PNG"), ("1", "PNG")):
        file = tmp_path / f"a.{form}"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new(mode, (40, 30), 1).save(file, form, **({} if form == "GIF" else {"exif": exif}))
        found = decoded(Sample("", 0, "", file.read_bytes(), "a"))
        assert not found.fault and found.image.mode == "RGB"
        assert found.image.size == ((40, 30) if form == "GIF" else (30, 40))


def test_shards_are_a_data_set_of_load_pairs(shards):
    with pytest.raises(ValueError, match="has 1 broken rows of 6 .row 1 of 1.tar: its caption is empty.; mend them or leave"):
        nib.load_pairs("shards", shards)
    with pytest.warns(UserWarning, match="2 broken rows of 6 are left out .row 1 of 0.tar: its picture is none of JPEG"):
        pairs = nib.load_pairs("shards", shards, broken="skip")
    assert pairs.key.tolist() == list("acdf") and pairs.shard.tolist() == ["0.tar"] * 2 + ["1.tar"] * 2
    assert pairs.caption[0] == "caption a" and isinstance(pairs.image[0], Image.Image) and len(nib.manifest(pairs)) == 64
    with pytest.warns(UserWarning):
        few = nib.load_pairs("shards", shards, n=2, seed=1, broken="skip")
    assert len(few) == 2 and set(few.key) < set("acdf")


def test_a_picture_that_cannot_be_decoded_is_named_when_it_is_wanted(shards):
    tar(shards / "1.tar", *pair("d", 40))
    with pytest.raises(ValueError, match="row 1 of '0.tar' is no pair: its picture is none of JPEG.*; leave it out with broken"):
        nib.load_pairs("shards", shards)
    with pytest.raises(ValueError, match="have no pairs; fetch"):
        nib.load_pairs("shards", tar(shards / "2.tar"))
    with pytest.raises(FileNotFoundError, match="shards: there is no file or folder 'nowhere'; shards are .tar files as"):
        nib.load_pairs("shards", "nowhere")


def test_what_makes_no_stream_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seed is -1"):
        nib.open_stream("shapes", seed=-1)
    with pytest.raises(FileNotFoundError, match="there is no shard 'nowhere'"):
        nib.open_stream("nowhere")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="has no column 'image'"):
        nib.open_stream(tmp_path)
