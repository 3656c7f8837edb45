"""Data sets from disk: what is read, what is refused and in which words; the choice of a caption; the manifest."""
import json
import os
import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from nib_utils.clip.clip import load_clip
from nib_utils.data.captions import pick_captions
from nib_utils.data.hub import picture
from nib_utils.data.pairs import load_pairs, manifest

REAL = Path(__file__).parents[3] / "shared" / "data"


def real(folder: str) -> Path:
    if not (REAL / folder).is_dir():
        pytest.skip(f"the real data set is not at {REAL.name}/{folder}")
    return REAL / folder


def draw(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name, "PNG")


def write(file: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines), encoding)
    return file


def names(pairs: pd.DataFrame) -> list[str]:
    return [Path(image).name for image in pairs["image"]]


# ---- what can be asked for

def test_unknown_name_lists_what_exists():
    with pytest.raises(ValueError, match="'cocoa'.*shapes, cc, imagenet, flickr8k, csv, folders, coco, hf:NAME"):
        load_pairs("cocoa")


@pytest.mark.parametrize("name, known", [("shapes", "objects, held_out"), ("csv", "broken"), ("cc", "broken"),
                                         ("flickr8k", "broken, split"), ("imagenet", "per_class, names, broken"),
                                         ("folders", "per_class, names, words, broken"), ("coco", "per, broken"),
                                         ("hf:x/y", "split, config, image, caption, broken")])
def test_unknown_option_lists_what_exists(name, known):
    with pytest.raises(TypeError, match=f"'{name}' has no option 'brokn'; it takes {known}"):
        load_pairs(name, "anywhere", brokn="skip")


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": -1}, {"n": 2.5}, {"n": "3"}, {"seed": -1}, {"seed": None}])
def test_counts_and_seeds_are_whole_numbers(wrong):
    with pytest.raises(ValueError, match=f"{[*wrong][0]} is .*whole number"):
        load_pairs("shapes", **({"n": 1} | wrong))


@pytest.mark.parametrize("name, said", [
    ("csv", "columns image and caption"), ("cc", "Conceptual Captions.*cc.csv"),
    ("flickr8k", "Flickr8k.*captions.csv"), ("imagenet", "Tiny-ImageNet-200.*wnids.txt"),
    ("folders", "a folder per class"), ("coco", "COCO.*instances_val2017.json")])
def test_missing_root_says_what_was_looked_for_and_how_to_get_it(name, said, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no root was given.*{said}"):
        load_pairs(name)
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(tmp_path / 'none'))}.*{said}"):
        load_pairs(name, tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(tmp_path))}.*{said}"):
        load_pairs(name, tmp_path)


def test_a_drawn_scene_may_be_had_alone():
    alone, among = load_pairs("shapes", n=1, start=7).iloc[0], load_pairs("shapes", n=8).iloc[7]
    assert alone["image"].tobytes() == among["image"].tobytes() and (alone["masks"] == among["masks"]).all()
    assert alone.drop(["image", "masks"]).tolist() == among.drop(["image", "masks"]).tolist()


# ---- csv and cc

@pytest.fixture
def table(tmp_path):
    """A good CSV: pictures beside it, in images/ and at an absolute path; captions that pandas would take for NaN."""
    draw(tmp_path, "a.png")
    draw(tmp_path / "images", "001", "c.png")
    draw(tmp_path / "far", "d.png")
    return write(tmp_path / "pairs.csv", "image,caption,k", "a.png,NA,1", '001,"a cat, a dog",2', "images/c.png,None,3",
                 f"{tmp_path / 'far' / 'd.png'},ein Käfer,4")


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


def test_a_huge_picture_of_the_hub_is_named_with_its_row(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="hf:x/y: row 1 has no picture in the column 'image' .*1600 pixels"):
        picture("x/y", [{"image": {"bytes": (tmp_path / "huge.png").read_bytes()}}], "image", 0)


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


# ---- subsets

@pytest.fixture
def many(tmp_path):
    draw(tmp_path, "a.png")
    return write(tmp_path / "t.csv", "image,caption", *(f"a.png,{i}" for i in range(40)))


def test_subset_is_seeded_nested_and_in_file_order(many):
    take = lambda n, seed: [int(c) for c in load_pairs("csv", many, n=n, seed=seed)["caption"]]
    assert take(10, 0) == take(10, 0) == sorted(set(take(10, 0))) and len(take(10, 0)) == 10
    assert take(10, 0) != take(10, 1) and take(10, 0) != list(range(10))
    assert set(take(5, 0)) < set(take(10, 0)) and len(set(take(39, 0))) == 39
    assert take(None, 0) == take(40, 7) == list(range(40))


def test_sorted_subset_follows_file_names_with_their_numbers_and_stays_in_file_order(tmp_path):
    order = [10, 2, 33, 1, 20, 3]
    draw(tmp_path, *(f"p_{i}.png" for i in order))
    file = write(tmp_path / "t.csv", "image,caption", *(f"p_{i}.png,{i}" for i in order))
    take = lambda n, seed=0: [int(c) for c in load_pairs("csv", file, n=n, seed=seed, order="sorted")["caption"]]
    assert take(4) == take(4, seed=5) == [10, 2, 1, 3] and take(1) == [1] and take(6) == order
    with pytest.raises(ValueError, match="order is 'random'; pass one of 'seeded', 'sorted'"):
        load_pairs("csv", file, order="random")


def test_more_than_there_is_gives_all_and_warns(many):
    with pytest.warns(UserWarning, match="41 pairs were asked for but there are 40"):
        assert len(load_pairs("csv", many, n=41)) == 40
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_pairs("csv", many, n=40)


# ---- flickr8k

ROWS = [("b.jpg", "one , two"), ("b.jpg", 'say "x"'), ("a.jpg", "three"), ("a.jpg", "four"), ("a.jpg", "None")]


@pytest.mark.parametrize("layout", ["captions.csv", "captions.txt", "en_val.json", "Flickr8k.token.txt"])
def test_flickr8k_layouts_read_alike(tmp_path, layout):
    draw(tmp_path / ("Flicker8k_Dataset" if "token" in layout else "images"), "a.jpg", "b.jpg")
    if layout.startswith("captions"):
        pd.DataFrame(ROWS, columns=["image", "caption"]).to_csv(tmp_path / layout, index=False)
    elif layout == "en_val.json":
        items = {name: [caption for other, caption in ROWS if other == name] for name in ("b.jpg", "a.jpg")}
        items = [{"image": f"images/{name}", "caption": captions} for name, captions in items.items()]
        (tmp_path / layout).write_text(json.dumps(items))
    else:
        write(tmp_path / layout, *(f"{name}#{i}\t{caption}" for i, (name, caption) in enumerate(ROWS)))
        write(tmp_path / "Flickr8k.lemma.token.txt", "b.jpg#0\tno")  # lies beside it in the published archive
    pairs = load_pairs("flickr8k", tmp_path)
    assert names(pairs) == ["b.jpg", "a.jpg"] and list(pairs.columns) == ["image", "caption", "captions"]
    assert pairs["captions"].tolist() == [["one , two", 'say "x"'], ["three", "four", "None"]]
    assert pairs["caption"].tolist() == ["one , two", "three"]


@pytest.mark.parametrize("file, text, said", [
    ("en_val.json", '{"image": 1}', "not a JSON list"), ("en_val.json", "[", "not a JSON list"),
    ("en_val.json", '[{"image": "a.jpg"}]', "not a JSON list"),
    ("en_val.json", '{"images": [{"filename": "a.jpg"}]}', "nor Karpathy's images with filename, sentences and split"),
    ("en_val.json", '[{"image": "a.jpg", "caption": ["x", null]}]', "row 1: the caption is empty"),
    ("en_val.json", '[{"image": "a.jpg", "caption": []}]', "row 1: the caption is empty"),
    ("en_val.json", '[{"image": "a.jpg", "caption": "x"}, {"image": "a.jpg", "caption": [" "]}]', "row 2: the caption"),
    ("Flickr8k.token.txt", "a.jpg#0\tx\na.jpg y\n", "row 2 .* name#0<TAB>caption"),
    ("Flickr8k.token.txt", "a.jpg#0\tx\na.jpg.1#0\ty\n", "row 2: there is no image 'a.jpg.1'")])
def test_flickr8k_says_what_is_wrong_with_a_file(tmp_path, file, text, said):
    draw(tmp_path / "images", "a.jpg")
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=said):
        load_pairs("flickr8k", tmp_path)


def karpathy(file: Path, splits=("test", "train")) -> Path:
    items = [{"filename": name, "split": split, "imgid": 0, "sentids": [0],
              "sentences": [{"raw": caption, "tokens": caption.split()} for other, caption in ROWS if other == name]}
             for name, split in zip(("b.jpg", "a.jpg"), splits)]
    file.write_text(json.dumps({"images": items, "dataset": "flickr8k"}))
    return file


def test_flickr8k_reads_karpathys_json_and_its_splits(tmp_path):
    draw(tmp_path / "images", "a.jpg", "b.jpg")
    karpathy(tmp_path / "dataset_flickr8k.json")
    pairs = load_pairs("flickr8k", tmp_path)
    assert list(pairs.columns) == ["image", "caption", "captions"] and names(pairs) == ["b.jpg", "a.jpg"]
    assert pairs["captions"].tolist() == [["one , two", 'say "x"'], ["three", "four", "None"]]
    assert names(load_pairs("flickr8k", tmp_path, split="test")) == ["b.jpg"]
    assert names(load_pairs("flickr8k", tmp_path, split="train")) == ["a.jpg"]
    with pytest.raises(ValueError, match="has no rows"):
        load_pairs("flickr8k", tmp_path, split="val")
    with pytest.raises(ValueError, match="split is 'dev'; pass one of None, 'train', 'val', 'test'"):
        load_pairs("flickr8k", tmp_path, split="dev")
    (tmp_path / "images" / "a.jpg").unlink()
    with pytest.raises(ValueError, match="3 broken rows of 5 .row 2: there is no image 'a.jpg'"):
        load_pairs("flickr8k", tmp_path)
    with pytest.warns(UserWarning, match="row 2: there is no image 'a.jpg'"):
        assert names(load_pairs("flickr8k", tmp_path, broken="skip")) == ["b.jpg"]


def test_flickr8k_prefers_captions_csv_but_asks_karpathy_for_a_split(tmp_path):
    draw(tmp_path / "images", "a.jpg", "b.jpg")
    write(tmp_path / "captions.csv", "image,caption", "a.jpg,of the csv")
    karpathy(tmp_path / "dataset_flickr8k.json")
    assert load_pairs("flickr8k", tmp_path)["caption"].tolist() == ["of the csv"]
    assert load_pairs("flickr8k", tmp_path, split="test")["caption"].tolist() == ["one , two"]


def test_flickr8k_takes_splits_from_the_published_lists(tmp_path):
    draw(tmp_path / "Flicker8k_Dataset", "a.jpg", "b.jpg")
    write(tmp_path / "Flickr8k.token.txt", *(f"{name}#{i}\t{caption}" for i, (name, caption) in enumerate(ROWS)))
    with pytest.raises(FileNotFoundError, match="does not say what is 'test'.*Flickr_8k.testImages.txt"):
        load_pairs("flickr8k", tmp_path, split="test")
    write(tmp_path / "Flickr_8k.testImages.txt", "a.jpg", "elsewhere.jpg")
    write(tmp_path / "Flickr_8k.devImages.txt", "b.jpg")
    assert names(load_pairs("flickr8k", tmp_path, split="test")) == ["a.jpg"]
    assert names(load_pairs("flickr8k", tmp_path, split="val")) == ["b.jpg"]


# ---- imagenet

@pytest.fixture
def tiny(tmp_path):
    """Classes of five and three images, annotated in an order that is neither of classes nor of numbers."""
    write(tmp_path / "wnids.txt", "n2", "n1")
    write(tmp_path / "words.txt", "n1\tgoldfish, Carassius auratus", "n2\tEgyptian cat", "n3\tunused")
    order = [10, 2, 0, 7, 1, 30, 5, 4]
    write(tmp_path / "val" / "val_annotations.txt", *(f"val_{i}.JPEG\tn{1 + i % 2}\t{i}\t1\t60\t63" for i in order))
    draw(tmp_path / "val" / "images", *(f"val_{i}.JPEG" for i in order))
    return tmp_path


def test_imagenet_takes_the_lowest_numbers_of_each_class_in_order_of_wnids(tiny):
    pairs = load_pairs("imagenet", tiny, per_class=3)
    assert names(pairs) == ["val_1.JPEG", "val_5.JPEG", "val_7.JPEG", "val_0.JPEG", "val_2.JPEG", "val_4.JPEG"]
    assert pairs["wnid"].tolist() == ["n2"] * 3 + ["n1"] * 3 and pairs["label"].tolist() == [0] * 3 + [1] * 3
    assert pairs["box"][1] == (5, 1, 60, 63)
    assert set(pairs["caption"]) == {"a photo of a Egyptian cat", "a photo of a goldfish, Carassius auratus"}


def test_imagenet_caption_may_name_the_first_synonym_only(tiny):
    pairs = load_pairs("imagenet", tiny, per_class=1, names="first")
    assert pairs["caption"].tolist() == ["a photo of a Egyptian cat", "a photo of a goldfish"]


def test_imagenet_may_be_had_in_full(tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = load_pairs("imagenet", tiny, per_class=None)
    assert [int(re.findall(r"\d+", name)[0]) for name in names(pairs)] == [1, 5, 7, 0, 2, 4, 10, 30]


def test_imagenet_warns_of_small_classes(tiny):
    with pytest.warns(UserWarning, match="1 of 2 classes have fewer than 5"):
        assert len(load_pairs("imagenet", tiny)) == 8


@pytest.mark.parametrize("options", [{"per_class": 0}, {"names": "some"}])
def test_imagenet_options_are_checked(tiny, options):
    with pytest.raises(ValueError, match=f"{[*options][0]} is .*; pass"):
        load_pairs("imagenet", tiny, **options)


@pytest.mark.parametrize("lost", ["wnids.txt", "words.txt", "val/val_annotations.txt"])
def test_imagenet_says_which_file_is_missing(tiny, lost):
    (tiny / lost).unlink()
    with pytest.raises(FileNotFoundError, match=f"{lost}'; Tiny-ImageNet-200"):
        load_pairs("imagenet", tiny)


@pytest.mark.parametrize("line", ["val_9.JPEG\tn9\t0\t0\t1\t1", "val_9.JPEG\tn3\t0\t0\t1\t1", "val_9.JPEG\tn1\t0\t0",
                                  "val.JPEG\tn1\t0\t0\t1\t1"])
def test_imagenet_strange_annotations_are_named(tiny, line):
    with open(tiny / "val" / "val_annotations.txt", "a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match="row 9 of .*val_annotations.txt"):
        load_pairs("imagenet", tiny)


def test_imagenet_missing_image_is_named_or_skipped(tiny):
    (tiny / "val" / "images" / "val_5.JPEG").unlink()
    with pytest.raises(ValueError, match="row 7: there is no image 'val_5.JPEG'"):
        load_pairs("imagenet", tiny, per_class=2)
    with pytest.warns(UserWarning, match="row 7"):
        pairs = load_pairs("imagenet", tiny, per_class=2, broken="skip")
    assert names(pairs) == ["val_1.JPEG", "val_0.JPEG", "val_2.JPEG"]


# ---- a folder per class

@pytest.fixture
def classes(tmp_path):
    """Folders of which one has pictures in a folder further down, one has none, and one is hidden."""
    root = tmp_path / "val"
    draw(root / "tabby_cat", "p_10.JPEG", "p_9.jpg", ".hidden.jpg")
    draw(root / "class 2" / "images", "x.png", "y.PNG")
    draw(root / "class 10", "z.jpeg")
    draw(root / ".cache", "no.jpg")
    write(root / "empty" / "notes.txt", "no picture")
    return root


def test_folders_are_classes_in_sorted_order(classes):
    pairs = load_pairs("folders", classes)
    assert names(pairs) == ["x.png", "y.PNG", "z.jpeg", "p_9.jpg", "p_10.JPEG"]
    assert pairs["label"].tolist() == [0, 0, 1, 2, 2]
    assert pairs["folder"].tolist() == ["class 2"] * 2 + ["class 10"] + ["tabby_cat"] * 2
    assert pairs["caption"].tolist()[2:4] == ["a photo of a class 10", "a photo of a tabby cat"]
    assert all(os.path.isabs(image) and os.path.isfile(image) for image in pairs["image"])
    with pytest.warns(UserWarning, match="1 of 3 classes have fewer than 2 images"):
        assert len(load_pairs("folders", classes, per_class=2)) == 5
    assert names(load_pairs("folders", classes, per_class=1)) == ["x.png", "z.jpeg", "p_9.jpg"]
    assert names(load_pairs("folders", classes, n=2, order="sorted")) == ["x.png", "y.PNG"]


@pytest.mark.parametrize("place, line", [("words.txt", "n01440764\ttench, Tinca tinca"),
                                         ("../words.txt", "n01440764\ttench, Tinca tinca"),
                                         ("../../LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca")])
def test_folders_named_by_wnid_are_spelt_out(tmp_path, place, line):
    root = tmp_path / "ILSVRC" / "val"
    draw(root / "n01440764", "a.JPEG")
    with pytest.raises(ValueError, match="'n01440764' in .* is a wnid, but no file says its name; put words.txt"):
        load_pairs("folders", root)
    write(root / place, line)
    assert load_pairs("folders", root)["caption"].tolist() == ["a photo of a tench, Tinca tinca"]
    assert load_pairs("folders", root, names="first")["caption"].tolist() == ["a photo of a tench"]


def test_folders_take_a_file_of_words(tmp_path, classes):
    words = write(tmp_path / "mine.tsv", "tabby_cat\ttabby, tabby cat", "other\tx")
    assert load_pairs("folders", classes, words=words, names="first")["caption"][3] == "a photo of a tabby"
    with pytest.raises(FileNotFoundError, match="no file 'nowhere.txt'; words names a file"):
        load_pairs("folders", classes, words="nowhere.txt")


def test_folders_with_a_broken_picture(classes):
    (classes / "class 2" / "images" / "y.PNG").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="1 broken rows of 5 are left out .row 2: the image 'class 2/images/y.PNG' cannot"):
        assert names(load_pairs("folders", classes, broken="skip")) == ["x.png", "z.jpeg", "p_9.jpg", "p_10.JPEG"]
    assert len(load_pairs("folders", classes)) == 5  # read when it is explained, which then names it


@pytest.mark.parametrize("options", [{"per_class": 0}, {"names": "some"}, {"broken": "maybe"}])
def test_folders_options_are_checked(classes, options):
    with pytest.raises(ValueError, match=f"{[*options][0]} is .*; pass"):
        load_pairs("folders", classes, **options)


# ---- choice of a caption

class Compass:
    """A stand-in CLIP: an image is an angle in degrees, a caption says one; features have random lengths."""

    def __init__(self):
        self.images_per_call = []

    def encode_image(self, images):
        self.images_per_call.append(len(images))
        return self.encode(images)

    def encode_text(self, texts, truncate=False):
        assert truncate or max(len(text.split()) for text in texts) <= 77
        return self.encode([text.split()[-1] for text in texts])

    @staticmethod
    def encode(angles):
        angles = torch.tensor([float(a) for a in angles]) * torch.pi / 180
        return torch.stack([angles.cos(), angles.sin()], 1) * (1 + 50 * torch.rand(len(angles), 1))


def compass_pairs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [[f"to {a}" for a in rng.choice(360, rng.integers(1, 6), replace=False)] for _ in range(20)]
    return pd.DataFrame({"image": rng.integers(0, 360, 20).astype(str), "caption": "?", "captions": rows})


def nearest(judge: str, captions: list[str]) -> str:
    return min(captions, key=lambda c: abs((int(judge) - int(c.split()[-1]) + 180) % 360 - 180))


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_own_rule_follows_each_image_whatever_the_batch(batch_size):
    pairs, clip = compass_pairs(), Compass()
    picked = pick_captions(clip, pairs, batch_size=batch_size)
    assert picked["caption"].tolist() == [nearest(i, c) for i, c in zip(pairs["image"], pairs["captions"])]
    assert max(clip.images_per_call) <= batch_size and (pairs["caption"] == "?").all()


@pytest.mark.parametrize("batch_size", [1, 6, 32])
def test_released_rule_follows_the_first_image_of_the_batch(batch_size):
    pairs = compass_pairs()
    picked = pick_captions(Compass(), pairs, rule="released", batch_size=batch_size)["caption"].tolist()
    judges = [pairs["image"][i - i % batch_size] for i in range(20)]
    assert picked == [nearest(j, c) for j, c in zip(judges, pairs["captions"])]
    own = pick_captions(Compass(), pairs)["caption"].tolist()
    assert (picked == own) == (batch_size == 1)


def test_released_batches_are_of_32_and_first_rule_asks_no_model():
    pairs = pd.concat([compass_pairs()] * 4, ignore_index=True)
    released = pick_captions(Compass(), pairs, "released")
    assert released.equals(pick_captions(Compass(), pairs, "released", batch_size=32))
    assert not released.equals(pick_captions(Compass(), pairs, "released", batch_size=16))
    assert pick_captions(None, pairs, "first")["caption"].tolist() == [c[0] for c in pairs["captions"]]


def test_pick_captions_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="rule is 'best'; pass one of 'own', 'first', 'released'"):
        pick_captions(None, compass_pairs(), "best")
    with pytest.raises(ValueError, match="no column captions.*only image, caption"):
        pick_captions(None, compass_pairs()[["image", "caption"]])
    with pytest.raises(ValueError, match="batch_size is 0"):
        pick_captions(None, compass_pairs(), batch_size=0)


def test_captions_that_are_too_long_are_judged_by_their_beginning_if_asked():
    clip, scene = load_clip("mini"), load_pairs("shapes", n=1)
    long = "a plain small red star " * 30
    scene["captions"] = [[scene["caption"][0], long]]
    with pytest.raises(ValueError, match="caption 1 has 1[0-9]+ tokens.*truncate=True"):
        pick_captions(clip, scene)
    assert pick_captions(clip, scene, truncate=True)["caption"].tolist() == scene["caption"].tolist()
    scene["captions"] = [[long, "a plain small red star"]]
    likes = [float(torch.nn.functional.cosine_similarity(clip.encode_image(list(scene["image"])),
                                                         clip.encode_text([text], truncate=True))) for text in scene["captions"][0]]
    assert pick_captions(clip, scene, truncate=True)["caption"][0] == scene["captions"][0][int(np.argmax(likes))]


# ---- manifest

def test_manifest_ignores_the_folder_and_sees_all_else(table, tmp_path_factory):
    pairs = load_pairs("csv", table)
    moved = tmp_path_factory.mktemp("moved")
    shutil.copytree(table.parent, moved, dirs_exist_ok=True)
    key = manifest(pairs)
    assert re.fullmatch("[0-9a-f]{64}", key) and manifest(load_pairs("csv", moved)) == key
    assert manifest(pairs[::-1]) != key and manifest(pairs[:3]) != key
    assert manifest(pairs.assign(caption=["NA", "a cat, a dog", "None", "a"])) != key
    assert manifest(pairs.assign(image=["b.png", *pairs["image"][1:]])) != key


def test_manifest_sees_every_pixel():
    pairs = load_pairs("shapes", n=2)
    key = manifest(pairs)
    pairs["image"][1].putpixel((223, 223), (1, 2, 3))
    assert manifest(pairs) != key


# ---- the real data, where they are

def test_real_flickr8k():
    root = real("flickr8k")
    pairs = load_pairs("flickr8k", root)
    assert len(pairs) == 1000 and set(pairs["captions"].map(len)) == {5}
    assert pairs.equals(load_pairs("flickr8k", root / "en_val.json"))
    assert names(pairs)[0] == "2090545563_a4e66ec76b.jpg"
    assert pairs["captions"][0][1] == "Two girls play on a skateboard in a courtyard ."


def test_real_imagenet():
    root = real("tiny-imagenet-200")
    pairs = load_pairs("imagenet", root)
    assert len(pairs) == 1000 and set(pairs.groupby("wnid").size()) == {5}
    numbers = [int(re.findall(r"\d+", name)[0]) for name in names(pairs)]
    assert all(part == sorted(part) for part in (numbers[i : i + 5] for i in range(0, 1000, 5)))
    assert pairs["wnid"][::5].tolist() == (root / "wnids.txt").read_text().split()
    assert "a photo of a goldfish, Carassius auratus" in set(pairs["caption"])
    assert all(0 <= x0 <= x1 <= 64 and 0 <= y0 <= y1 <= 64 for x0, y0, x1, y1 in pairs["box"])


def test_real_conceptual_captions():
    root = real("conceptual-captions")
    pairs = load_pairs("cc", root)
    assert len(pairs) == 52 and pairs["caption"][1] == "players wait for a conversion"
    assert pairs.equals(load_pairs("csv", root))


def test_real_tiny_imagenet_as_folders(tmp_path):
    """The pictures of two classes laid out as ImageNet's, named by the wnids of the real words.txt."""
    root = real("tiny-imagenet-200")
    pairs = load_pairs("imagenet", root).head(10)
    for row in pairs.itertuples():
        (tmp_path / row.wnid).mkdir(exist_ok=True)
        shutil.copy(row.image, tmp_path / row.wnid)
    found = load_pairs("folders", tmp_path, words=root / "words.txt").sort_values("image", key=lambda p: p.map(os.path.basename))
    assert found["caption"].tolist() == pairs.sort_values("image")["caption"].tolist()
    assert found["folder"].tolist() == pairs.sort_values("image")["wnid"].tolist()
