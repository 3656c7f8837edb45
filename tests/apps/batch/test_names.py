"""A run's folder: another for other parameters, the same for the same, and a name that any disk takes."""
import json
from itertools import combinations

import pytest

from nib_utils.apps.batch.names import run_folder, run_name, slug


@pytest.mark.parametrize("text, words", [
    ("ViT-B/32", "ViT-B-32"), ("hf:org/name", "hf-org-name"), ("数据", "数据"), ("Äpfel und Öl", "Äpfel-und-Öl"), ("a_b.c", "a_b.c")])
def test_letters_of_any_script_stay(text, words):
    assert slug(text) == words


@pytest.mark.parametrize("text", ["", ".", "..", "/", "🙂", ".hidden", "-", "../..", "x" * 500, "数" * 300, "a\0b", "a\nb", " "])
def test_a_name_is_never_empty_hidden_long_or_a_way_out(text):
    name = slug(text)
    assert name and name.strip(".-") and not set("/\\\0\n ") & set(name) and name[0] not in ".-" and len(name.encode()) < 70


def test_names_that_lose_something_differ():
    assert len({slug(text) for text in ("x" * 100, "x" * 101, "..", "", "🙂", "🙃")}) == 6
    assert slug("e\u0301") == slug("é")  # the same letter, as two systems write it


def test_defaults_have_the_plain_name_whatever_is_left_out():
    assert run_name("main_table", {}) == run_name("main_table", {"n": 100, "methods": None, "fast": True}) == "mini-shapes"
    assert run_name("speed", {}) == "ViT-B-32-random" and run_name("report", {"rows": 30}) == "all-results"
    assert run_name("main_table", {"model": "hf:org/name", "dataset": "hf:a/b", "n": 7}) == "hf-org-name-hf-a-b-n7"
    assert run_name("main_table", {"n": None, "dataset": "hf:x"}) == "mini-hf-x-all"
    assert run_name("main_table", {"dataset": "flickr8k", "root": "/data/flickr8k", "n": 1000}) == "mini-flickr8k-n1000-357bfc"


def test_other_parameters_have_another_folder(tmp_path, monkeypatch):
    for folder in ("a", "b", "数据"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pairs.csv").write_text("image,caption\n")
        (tmp_path / folder / "own.pt").write_text("")
        (tmp_path / folder / "own.ckpt").write_text("")
    monkeypatch.chdir(tmp_path)
    csv = lambda folder, **more: {"dataset": "csv", "root": f"{folder}/pairs.csv"} | more
    asked = [csv("a"), csv("b"), csv("数据"), csv("a", n=2), csv("a", n=120), csv("a", methods=["nib"]), csv("a", seed=1),
             csv("a", methods=["nib"], seed=1), csv("a", model="ViT-B/32"), csv("a", model="a/own.pt"), csv("a", model="b/own.pt"),
             csv("a", model="a/own.ckpt"), csv("b", model="b/own.ckpt"),
             csv("a", data_options={"broken": "skip"}), {"dataset": "csv", "root": "数据"}]
    names = [run_name("main_table", a) for a in asked]
    assert all(one.lower() != other.lower() for one, other in combinations(names, 2))  # as some disks compare them
    assert names[0].startswith("mini-csv-pairs-") and names[4].startswith("mini-csv-pairs-n120-")
    assert names[14].startswith("mini-csv-数据-") and names[9].startswith("own-csv-pairs-")
    assert names[0] == run_name("main_table", csv(str(tmp_path / "a"))) == run_name("main_table", csv("b/../a"))
    pictures = [{"image": f"{folder}/cat.png", "captions": ["a cat"]} for folder in "ab"] + [{"image": "a/cat.png", "captions": ["a dog"]}]
    assert len({run_name("quickstart", picture) for picture in pictures}) == 3


def test_results_of_other_parameters_are_not_overwritten(tmp_path):
    folder = run_folder(tmp_path, "theory", {"n": 24, "fast": False})
    folder.mkdir(parents=True)
    (folder / "theory.json").write_text(json.dumps({"parameters": {"n": 24, "fast": False, "gone": 1}}))
    assert run_folder(tmp_path, "theory", {"n": 24, "fast": False, "seed": 0}) == folder
    with pytest.raises(ValueError, match="mini-shapes' holds results of other parameters .fast was False, now it is True"):
        run_folder(tmp_path, "theory", {"n": 24, "fast": True})
    for broken in ("{half", "[]"):
        (folder / "theory.json").write_text(broken)
        with pytest.raises(ValueError, match="theory.json' is not a record of a run"):
            run_folder(tmp_path, "theory", {})
