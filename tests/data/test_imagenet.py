"""Tiny-ImageNet-200: which pictures, which captions, and what is said of strange annotations."""
import re
import warnings

import pytest
from disk import draw, names, real, write

from nib_utils.data.pairs import load_pairs


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


def test_real_imagenet():
    root = real("tiny-imagenet-200")
    pairs = load_pairs("imagenet", root)
    assert len(pairs) == 1000 and set(pairs.groupby("wnid").size()) == {5}
    numbers = [int(re.findall(r"\d+", name)[0]) for name in names(pairs)]
    assert all(part == sorted(part) for part in (numbers[i : i + 5] for i in range(0, 1000, 5)))
    assert pairs["wnid"][::5].tolist() == (root / "wnids.txt").read_text().split()
    assert "a photo of a goldfish, Carassius auratus" in set(pairs["caption"])
    assert all(0 <= x0 <= x1 <= 64 and 0 <= y0 <= y1 <= 64 for x0, y0, x1, y1 in pairs["box"])
