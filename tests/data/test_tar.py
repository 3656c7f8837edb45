"""A tar as a stream: against webdataset's rules, hostile members, cut files, and from any sample on."""
import gzip
import tarfile
from io import BytesIO

import pytest
from archives import encoded, member, pair, tar

from nib_utils.data.shards import MOST_BYTES, MOST_LETTERS
from nib_utils.data.tar import count_samples, read_tar

PICTURE = encoded()


def test_pairs_come_in_the_order_of_the_members(tmp_path):
    file = tar(tmp_path / "0.tar", *pair("b", 1), *pair("a", 2, " a Käfer \n"), *pair("folder/c.d", 3, "\ufeffx"))
    found = list(read_tar(file))
    assert [(one.shard, one.row, one.key, one.caption, one.fault) for one in found] == [
        ("0.tar", 0, "b", "caption b", ""), ("0.tar", 1, "a", "a Käfer", ""), ("0.tar", 2, "folder/c", "", "it has no picture"
         " (.jpg, .jpeg, .png, .webp, .gif, .bmp, .tif, .tiff) next to it")]  # c.d.jpg has the extension d.jpg, as of webdataset
    assert [one.image for one in found] == [encoded(1), encoded(2), b""]


def test_it_reads_what_tarfile_writes(tmp_path):
    """An independent writer, in each of its formats, with long names and folders."""
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        names = [f"{'long/' * 20}{i:03}" for i in range(5)]
        with tarfile.open(tmp_path / "0.tar", "w", format=form) as opened:
            opened.addfile(member("long", type=tarfile.DIRTYPE)[0])
            for name in names:
                for info, content in pair(name):
                    opened.addfile(info, BytesIO(content))
        found = list(read_tar(tmp_path / "0.tar"))
        assert [one.key for one in found] == names and not any(one.fault for one in found)
        assert all(one.image == PICTURE for one in found)


def test_from_any_sample_on_it_is_the_same(tmp_path):
    file = tar(tmp_path / "0.tar", *pair("a"), member("b.txt", b"x"), *pair("c"), *pair("d"), end=False)
    whole = list(read_tar(file))
    assert len(whole) == count_samples(file) == 5 and whole[-1].fault.startswith("the rest of the shard cannot be read")
    for start in range(7):
        assert list(read_tar(file, start)) == whole[start:]


@pytest.mark.parametrize("members, said", [
    ([member("x.jpg", PICTURE)], "it has no caption (.txt)"), ([member("x.txt", b"a")], "it has no picture"),
    ([member("x.json", b"{}")], "it has no picture"), ([*pair("x", caption=" \n")], "its caption is empty"),
    ([member("x.jpg", PICTURE), member("x.txt", b"\xff\xfe")], "its caption is not text in UTF-8"),
    ([*pair("x"), member("x.png", PICTURE)], "it has several pictures"),
    ([*pair("x"), member("x.txt", b"a")], "it has several captions"),
    ([member("x.jpg", type=tarfile.SYMTYPE, linkname="/etc/passwd"), member("x.txt", b"a")], "is no plain file but a link"),
    ([member("x.jpg", type=tarfile.LNKTYPE, linkname="a.jpg"), member("x.txt", b"a")], "is no plain file but a link"),
    ([member("x.jpg", type=tarfile.CHRTYPE), member("x.txt", b"a")], "is no plain file but a special one"),
    ([member("x.jpg", type=tarfile.FIFOTYPE), member("x.txt", b"a")], "is no plain file but a special one"),
    ([*pair("../../x")], "'../../x.jpg' has a name that leads out of the shard"),
    ([*pair("/etc/x")], "'/etc/x.jpg' has a name that leads out of the shard"),
    ([member("x.jpg", PICTURE), member("x.txt", b"a" * (MOST_LETTERS + 1))], "its caption has 100001 bytes, more than the 100000"),
    ([member("._x.jpg", b"")], "it has no picture")])
def test_what_is_no_pair_says_why_and_the_next_is_read(tmp_path, members, said):
    first, last = list(read_tar(tar(tmp_path / "0.tar", *members, *pair("y"))))
    assert said in first.fault and "\n" not in first.fault and first.image == b"" and first.caption == ""
    assert (last.key, last.row, last.fault, last.image) == ("y", 1, "", PICTURE)
    assert [file.name for file in tmp_path.iterdir()] == ["0.tar"]


def test_a_huge_member_is_not_read(tmp_path):
    """A sparse file of a terabyte stands in for a disk full of it."""
    size = 2**40
    file = tar(tmp_path / "0.tar", member("x.txt", b"a"), member("x.jpg", size=size, type=tarfile.REGTYPE), end=False)
    with open(file, "r+b") as opened:
        opened.seek(0, 2)
        opened.truncate(opened.tell() + size)
    with open(file, "ab") as opened:
        opened.write(b"".join(info.tobuf() + content + bytes(-len(content) % 512) for info, content in pair("y")) + bytes(1024))
    first, last = read_tar(file)
    assert first.fault == f"its picture has {size} bytes, more than the {MOST_BYTES} that are read" and last.key == "y"


def test_a_size_below_zero_does_not_go_round_in_circles(tmp_path):
    header = bytearray(member("x.jpg")[0].tobuf())
    header[124:136] = tarfile.itn(-1024, 12, tarfile.GNU_FORMAT)
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(header)[0]
    (tmp_path / "0.tar").write_bytes(tar(tmp_path / "a.tar", *pair("a"), end=False).read_bytes() + header + bytes(1024))
    first, last = read_tar(tmp_path / "0.tar")
    assert first.key == "a" and last.fault == "the rest of the shard cannot be read (ReadError: a member has a size below zero)"


def test_a_sparse_member_is_refused(tmp_path):
    first, _ = read_tar(tar(tmp_path / "0.tar", member("x.jpg", type=tarfile.GNUTYPE_SPARSE), member("x.txt", b"a"), *pair("y")))
    assert "no plain file but a special one" in first.fault or "cannot be read" in first.fault


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 700, 1024, 1600, 2048, 2500, 3000])
def test_a_tar_that_is_cut_off_says_so(tmp_path, cut):
    """Wherever it was cut: no sample is invented, and the last one tells."""
    whole = tar(tmp_path / "0.tar", *pair("a"), *pair("b"), end=False).read_bytes()
    assert len(whole) > 4000
    (tmp_path / "0.tar").write_bytes(whole[:cut])
    found = list(read_tar(tmp_path / "0.tar"))
    assert found[-1].fault.startswith("the rest of the shard cannot be read (ReadError: ") and found[-1].key == ""
    assert all(one.image == encoded() for one in found if not one.fault)


def test_a_header_that_is_spoilt_in_the_middle_is_not_taken_for_the_end(tmp_path):
    content = bytearray(tar(tmp_path / "0.tar", *pair("a"), *pair("b")).read_bytes())
    content[content.index(b"b.jpg")] ^= 1
    (tmp_path / "0.tar").write_bytes(content)
    first, last = read_tar(tmp_path / "0.tar")
    assert first.key == "a" and not first.fault
    assert last.fault == f"the rest of the shard cannot be read (ReadError: what stands at byte {content.index(b'c.jpg')} is no member)"


def test_other_archives_are_no_shards(tmp_path):
    good = tar(tmp_path / "0.tar", *pair("a")).read_bytes()
    for content in (gzip.compress(good), b"PK\x03\x04" + bytes(600), b"x" * 5000, bytes(range(256)) * 8):
        (tmp_path / "1.tar").write_bytes(content)
        (only,) = read_tar(tmp_path / "1.tar")
        assert only.fault.startswith("the rest of the shard cannot be read")


def test_an_empty_tar_has_no_samples(tmp_path):
    assert list(read_tar(tar(tmp_path / "0.tar"))) == []


def test_names_with_strange_letters_are_keys_that_a_table_can_hold(tmp_path):
    found = list(read_tar(tar(tmp_path / "0.tar", *pair("a\nb\x1b"), *pair("k\udc80", caption="x"))))
    assert [one.key for one in found] == ["a\\nb\\x1b", "k\\udc80"] and all(one.key.encode() for one in found)
