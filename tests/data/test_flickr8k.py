"""Flickr8k in each of its forms, its splits, and what is wrong with a file."""
import json
from pathlib import Path

import pandas as pd
import pytest
from disk import draw, names, real, write

from nib_utils.data.pairs import load_pairs

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


def test_real_flickr8k():
    root = real("flickr8k")
    pairs = load_pairs("flickr8k", root)
    assert len(pairs) == 1000 and set(pairs["captions"].map(len)) == {5}
    assert pairs.equals(load_pairs("flickr8k", root / "en_val.json"))
    assert names(pairs)[0] == "2090545563_a4e66ec76b.jpg"
    assert pairs["captions"][0][1] == "Two girls play on a skateboard in a courtyard ."
