"""Captions and image names in a CSV or TSV: what is read, what is refused and in which words."""
import os
import re
import warnings

import pytest
from disk import draw, good_table, names, real, write
from PIL import Image

from nib_utils.data.pairs import load_pairs


@pytest.fixture
def table(tmp_path):
    return good_table(tmp_path)


def test_csv_finds_images_and_keeps_text_and_columns(table):
    pairs = load_pairs("csv", table)
    assert pairs["caption"].tolist() == ["NA", "a cat, a dog", "None", "ein Käfer"]
    assert names(pairs) == ["a.png", "001", "c.png", "d.png"]
    assert all(isinstance(image, str) and os.path.isabs(image) and os.path.isfile(image) for image in pairs["image"])
    assert pairs["k"].tolist() == [1, 2, 3, 4] and list(pairs.index) == [0, 1, 2, 3]


def test_csv_root_may_be_a_folder_or_relative(table, monkeypatch):
    assert load_pairs("csv", table.parent).equals(load_pairs("csv", str(table)))
    monkeypatch.chdir(table.parent.parent)
    assert load_pairs("csv", f"{table.parent.name}/pairs.csv").equals(load_pairs("csv", table))


def test_csv_folder_with_two_tables_is_ambiguous(table):
    write(table.with_name("more.csv"), "image,caption", "a.png,x")
    with pytest.raises(ValueError, match="2 files .*more.csv, pairs.csv.*pass the path of one"):
        load_pairs("csv", table.parent)


def test_csv_accepts_file_path_spaces_crlf_and_a_byte_order_mark(tmp_path):
    draw(tmp_path, "a.png")
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbffile_path, caption\r\na.png , "one, two"\r\n')
    pairs = load_pairs("csv", tmp_path)
    assert pairs["caption"].tolist() == ["one, two"] and names(pairs) == ["a.png"]


@pytest.mark.parametrize("header, missing, found", [("picture,caption", "image", "picture, caption"),
                                                    ("image,text", "caption", "image, text"),
                                                    ("x;y", "image and no column caption", "x;y")])
def test_missing_columns_are_named_with_those_found_and_the_file(tmp_path, header, missing, found):
    file = write(tmp_path / "t.csv", header, header)
    with pytest.raises(ValueError, match=f"{re.escape(str(file))}' has no column {missing}; it has {found}"):
        load_pairs("csv", file)


@pytest.mark.parametrize("name, header, row", [
    ("t.csv", "image;caption;k", 'a.png;"one; two";3'), ("t.csv", "image\tcaption", "a.png\tone; two"),
    ("t.tsv", "image,caption", "a.png,one; two"), ("t.csv", "Image,Caption", "a.png,one; two"),
    ("t.csv", "IMAGE; CAPTION ", 'a.png;"one; two"'), ("t.csv", "Caption,File_Path", "one; two,a.png"),
    ("t.csv", '"image";"caption"', 'a.png;"one; two"'), ("t.csv", "image,caption,Image", "a.png,one; two,b.png")])
def test_other_separators_and_capitals_are_understood(tmp_path, name, header, row):
    draw(tmp_path, "a.png")
    pairs = load_pairs("csv", write(tmp_path / name, header, row))
    assert names(pairs) == ["a.png"] and pairs["caption"].tolist() == ["one; two"]
    assert list(pairs.columns[:2]) == ["image", "caption"] or "File" in header or "Image" in header


@pytest.mark.parametrize("header, said", [
    ("Picture,Text", "no column image and no column caption; it has Picture, Text; rename 'Picture' to 'image' and rename 'Text' to 'caption'"),
    ("image,Title", "no column caption; it has image, Title; rename 'Title' to 'caption'"),
    ("filename,caption", "no column image; it has filename, caption; rename 'filename' to 'image'"),
    ("a.png,one", "no column image and no column caption; it has a.png, one; its first line must name them, as image,caption does"),
    ("image|caption", "no column image and no column caption; it has image.caption; its first line must name them"),
    ("Image,IMAGE,caption", "2 columns 'image'; rename or remove all but one"),
    ("image;x,caption", "no column image; it has image;x, caption; its first")])
def test_headers_that_are_not_certain_get_a_hint(tmp_path, header, said):
    draw(tmp_path, "a.png")
    with pytest.raises(ValueError, match=f"t.csv' has {said}"):
        load_pairs("csv", write(tmp_path / "t.csv", header, ",".join(["a.png", "b", "c"][: 1 + header.count(",")])))


@pytest.mark.parametrize("row, said", [
    ('[{"image": "a.png", "caption": 5}]', "row 1: the caption is 5, not text"),
    ('[{"image": "a.png", "caption": {"en": "x"}}]', "row 1: the caption is {'en': 'x'}, not text"),
    ('[{"image": ["a.png"], "caption": "x"}]', "not a JSON list .*a name of an image is not text"),
    ("[" * 100_000, "not a JSON list .*RecursionError")])
def test_json_of_odd_things_is_one_sentence(tmp_path, row, said):
    draw(tmp_path, "a.png")
    with pytest.raises(ValueError, match=said):
        load_pairs("flickr8k", write(tmp_path / "t.json", row))


@pytest.fixture
def broken(tmp_path):
    draw(tmp_path, "a.png", "b.png", "c.png")
    rows = ["a.png,one", "", "gone.png,two", "b.png,", "c.png,  ", "c.png,three", ",x"]
    return write(tmp_path / "t.csv", "image,caption", *rows)


def test_broken_rows_raise_with_row_and_file(broken):
    with pytest.raises(ValueError) as caught:
        load_pairs("csv", broken)
    said = str(caught.value)
    assert str(broken) in said and "4 broken rows of 6" in said and 'broken="skip"' in said
    told = "row 4: there is no image 'gone.png'; row 5: the caption is empty; row 6: the caption is empty; row 8"
    assert told in said


def test_broken_rows_are_skipped_with_a_warning(broken):
    with pytest.warns(UserWarning, match="4 broken rows.*row 4.*row 5.*row 6.*row 8"):
        pairs = load_pairs("csv", broken, broken="skip")
    assert pairs["caption"].tolist() == ["one", "three"] and names(pairs) == ["a.png", "c.png"]


def test_broken_takes_two_values(table):
    with pytest.raises(ValueError, match="broken is 'ignore'; pass one of 'raise', 'skip'"):
        load_pairs("csv", table, broken="ignore")


@pytest.mark.parametrize("lines, said", [
    ([], "cannot be read as a table"), (["image,caption"], "has no rows"),
    (["image,caption", "a.png,one, two", "a.png,one, two"], "double quotes"),
    (["image,caption", "a.png,one", "a.png,one, two"], "line 3.*double quotes"),
    (["image,caption", "gone.png,one"], "1 broken rows of 1")])
def test_unusable_tables_say_why(tmp_path, lines, said):
    draw(tmp_path, "a.png")
    with pytest.raises(ValueError, match=f"t.csv.*{said}"):
        load_pairs("csv", write(tmp_path / "t.csv", *lines))


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_latin_1_table_says_utf_8_and_the_line(tmp_path, start):
    draw(tmp_path, "a.png")
    (tmp_path / "t.csv").write_bytes(start + b"image,caption\r\na.png,one\r\n" + "Käfer.png,x\n".encode("latin-1"))
    with pytest.raises(ValueError, match="^line 3 of '.*t.csv' is not text in UTF-8; save it as UTF-8"):
        load_pairs("csv", tmp_path)


@pytest.mark.parametrize("name, rows, said", [
    ("t.csv", ["a.png,one, two", "a.png,one"], "line 2 has 3 fields, but the header has 2.*a comma in double quotes"),
    ("t.csv", ["a.png,one", "a.png,one, two"], "line 3 has 3 fields, but the header has 2"),
    ("t.csv", ['a.png,"one, ', 'two"', "a.png,a, b, c"], "line 4 has 4 fields, but the header has 2"),
    ("t.tsv", ["a.png\tone\ttwo"], "line 2 has 3 fields, but the header has 2.*a tab in double quotes")])
def test_too_many_fields_are_told_with_their_line(tmp_path, name, rows, said):
    draw(tmp_path, "a.png")
    file = write(tmp_path / name, "image\tcaption" if name == "t.tsv" else "image,caption", *rows)
    with pytest.raises(ValueError, match=f"{name}' cannot be read as a table .{said}") as caught:
        load_pairs("csv", file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header, said", [
    ("image,caption,captions", "a column 'captions', which .* holds a list of captions in each row; rename it"),
    ("fault,image,caption", "a column 'fault', which .* says what is wrong with a row; rename it"),
    ("image,caption,caption", "2 columns 'caption'; rename or remove all but one"),
    ("image, caption ,caption", "2 columns 'caption'; rename or remove all but one"),
    ("image,image,caption", "2 columns 'image'; rename or remove all but one")])
def test_headers_that_would_be_mistaken_are_refused(tmp_path, header, said):
    draw(tmp_path, "a.png")
    file = write(tmp_path / "t.csv", header, "a.png,a.png,a.png")
    with pytest.raises(ValueError, match=f"^'{re.escape(str(file))}' has {said}"):
        load_pairs("csv", file)


def test_spaces_around_header_names_do_not_count(tmp_path):
    draw(tmp_path, "a.png")
    file = write(tmp_path / "t.csv", " image , caption , k , caption.1", "a.png,007,3,x")
    pairs = load_pairs("csv", file)
    assert list(pairs.columns) == ["image", "caption", "k", "caption.1"]
    assert pairs.loc[0, "caption":].tolist() == ["007", 3, "x"]  # a caption is text, however it looks


def test_huge_and_floating_pictures_are_skipped_as_unreadable(tmp_path, monkeypatch):
    draw(tmp_path, "a.png")
    Image.new("L", (40, 40)).save(tmp_path / "huge.png")
    Image.new("F", (8, 8)).save(tmp_path / "depth.tif")
    file = write(tmp_path / "t.csv", "image,caption", "huge.png,one", "a.png,two", "depth.tif,three")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.warns(UserWarning, match="2 broken rows of 3 .* .row 2: the image 'huge.png' cannot be read; "
                                         "row 4: the image 'depth.tif' cannot be read") as told:
        assert names(load_pairs("csv", file, broken="skip")) == ["a.png"]
    assert len(told) == 1


def test_nothing_left_after_skipping_is_an_error(tmp_path):
    file = write(tmp_path / "t.csv", "image,caption", "gone.png,one")
    with warnings.catch_warnings(), pytest.raises(ValueError, match="no row with both"):
        warnings.simplefilter("ignore")
        load_pairs("csv", file, broken="skip")


def test_cc_prefers_cc_csv_and_reads_tsv(tmp_path):
    draw(tmp_path / "images", "a.png")
    write(tmp_path / "train.tsv", "caption\tfile_path", "one, two\timages/a.png")
    assert load_pairs("cc", tmp_path)["caption"].tolist() == ["one, two"]
    write(tmp_path / "other.csv", "image,caption", "a.png,other")
    write(tmp_path / "cc.csv", "file_path,caption", "images/a.png,three")
    assert load_pairs("cc", tmp_path)["caption"].tolist() == ["three"]


def test_real_conceptual_captions():
    root = real("conceptual-captions")
    pairs = load_pairs("cc", root)
    assert len(pairs) == 52 and pairs["caption"][1] == "players wait for a conversion"
    assert pairs.equals(load_pairs("csv", root))
