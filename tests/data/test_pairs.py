"""`load_pairs`: what can be asked for, subsets, the manifest."""
import os
import re
import shutil
import warnings

import pytest
from disk import draw, good_table, write

from nib_utils.data.pairs import load_pairs, manifest


def test_unknown_name_lists_what_exists():
    with pytest.raises(ValueError, match="'cocoa'.*shapes, shapes-hard, cc, imagenet, flickr8k, csv, folders, coco, shards, hf:NAME"):
        load_pairs("cocoa")


@pytest.mark.parametrize("name, known", [("shapes", "objects, held_out"), ("csv", "broken"), ("cc", "broken"),
                                         ("flickr8k", "broken, split"), ("imagenet", "per_class, names, broken"),
                                         ("folders", "per_class, names, words, broken"), ("coco", "per, broken"),
                                         ("shards", "image, caption, broken"), ("hf:x/y", "split, config, image, caption, broken")])
def test_unknown_option_lists_what_exists(name, known):
    near = r" \(did you mean 'broken'\?\)" if "broken" in known else ""
    with pytest.raises(TypeError, match=f"'{name}' has no option 'brokn'{near}; it has {known}"):
        load_pairs(name, "anywhere", brokn="skip")


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": True}, {"n": float("nan")}, {"n": -1}, {"n": 2.5}, {"n": "3"}, {"seed": -1}, {"seed": None}])
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


@pytest.mark.parametrize("root, kind, said", [
    ("", TypeError, "root is ''; pass the path of a file or a folder"), (" ", TypeError, "root is ' '; pass the path"),
    (5, TypeError, "root is 5; pass the path"), (["a"], TypeError, r"root is \['a'\]"), (b"a", TypeError, "root is b'a'"),
    ("zero\0", FileNotFoundError, "no file or folder 'zero"), ("x/" * 3000, FileNotFoundError, "no file or folder 'x/x/"),
    ("y" * 400, FileNotFoundError, "no file or folder 'yyy")])
@pytest.mark.parametrize("name", ["csv", "cc", "flickr8k", "imagenet", "folders", "coco"])
def test_roots_that_are_no_path(name, root, kind, said):
    with pytest.raises(kind, match=f"^{name}: .*{said}") as caught:
        load_pairs(name, root)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["imagenet", "folders"])
def test_a_file_where_a_folder_is_needed(name, many):
    with pytest.raises(ValueError, match=f"^{name}: '.*t.csv' is a file; pass the folder of the data set"):
        load_pairs(name, many)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_root_that_may_not_be_read(tmp_path, many):
    many.chmod(0)
    with pytest.raises(ValueError, match="t.csv' may not be read; change its permissions"):
        load_pairs("csv", many)


def test_a_drawn_scene_may_be_had_alone():
    alone, among = load_pairs("shapes", n=1, start=7).iloc[0], load_pairs("shapes", n=8).iloc[7]
    assert alone["image"].tobytes() == among["image"].tobytes() and (alone["masks"] == among["masks"]).all()
    assert alone.drop(["image", "masks"]).tolist() == among.drop(["image", "masks"]).tolist()


@pytest.fixture
def table(tmp_path):
    return good_table(tmp_path)


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
