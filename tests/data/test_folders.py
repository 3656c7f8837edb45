"""A folder per class: the classes, their names, and roots that hold something else."""
import os
import re
import shutil

import pytest
from disk import draw, names, real, write

from nib_utils.data.pairs import load_pairs


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


@pytest.mark.parametrize("inside, said", [
    (["images"], "the folders with pictures in '{}' are 'images', which name no class; pass as root the folder that holds"),
    (["Images", "train/cat", "train/dog"], "'Images', 'train', which name no class"),
    (["train/cat", "val/cat"], "'train', 'val', which name no class"),
    (["pets/cat", "pets/dog", "pets/fox"], "all pictures of '{0}' lie in folders of its only folder 'pets', 'cat', 'dog', "
     "...; if these are the classes, pass '{0}/pets' as root")])
def test_a_root_beside_or_above_the_classes_is_refused(tmp_path, inside, said):
    for folder in inside:
        draw(tmp_path / "root" / folder, "a.png", "b.png")
    with pytest.raises(ValueError, match=re.escape(said.format(tmp_path / "root"))):
        load_pairs("folders", tmp_path / "root")


@pytest.mark.parametrize("inside", [["cat"], ["cat/images"], ["cat/2019", "cat/2020", "dog"], ["train", "bus"]])
def test_folders_that_may_be_classes_are_taken(tmp_path, inside):
    for folder in inside:
        draw(tmp_path / folder, "a.png")
    assert set(load_pairs("folders", tmp_path)["folder"]) == {folder.split("/")[0] for folder in inside}


@pytest.mark.parametrize("options", [{"per_class": 0}, {"names": "some"}, {"broken": "maybe"}])
def test_folders_options_are_checked(classes, options):
    with pytest.raises(ValueError, match=f"{[*options][0]} is .*; pass"):
        load_pairs("folders", classes, **options)


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
