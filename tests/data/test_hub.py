"""Data sets of the Hugging Face hub: read through a stand-in for the package `datasets`, and through itself if it is there."""
import sys
import types
from io import BytesIO

import pytest
from PIL import Image

import nib_utils as nib
from nib_utils.data.hub import picture


def png(colour: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (4, 3), (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


class Table:
    """What `datasets.Dataset` is to us: a length, column names, columns by name and rows by number."""

    def __init__(self, **columns):
        self.columns, self.column_names, self.opened = columns, list(columns), []

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        self.opened.append(key)
        return {name: column[key] for name, column in self.columns.items()}


@pytest.fixture
def hub(monkeypatch):
    """A stand-in package whose `load_dataset` hands out `hub.data` and notes what it was asked for."""
    package = types.ModuleType("datasets")
    package.asked, package.data = [], None

    def load_dataset(path, name=None, split=None, cache_dir=None):
        package.asked.append((path, name, split, cache_dir))
        if isinstance(package.data, Exception):
            raise package.data
        return package.data if split is None or not isinstance(package.data, dict) else package.data[split]

    package.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", package)
    return package


def pictures(count: int) -> list:
    return [Image.open(BytesIO(png(i))) for i in range(count)]


def red(pairs) -> list[int]:
    return [image.getpixel((0, 0))[0] for image in pairs["image"]]


def test_pairs_are_pictures_and_captions(hub):
    hub.data = Table(image=pictures(3), caption=["a", "b", "NA"], other=[1, 2, 3])
    pairs = nib.load_pairs("hf:org/name")
    assert hub.asked == [("org/name", None, None, None)]
    assert list(pairs.columns) == ["image", "caption"] and pairs["caption"].tolist() == ["a", "b", "NA"]
    assert all(isinstance(image, Image.Image) for image in pairs["image"]) and red(pairs) == [0, 1, 2]
    assert len(nib.manifest(pairs)) == 64


def test_only_the_chosen_pictures_are_decoded(hub):
    hub.data = Table(image=pictures(30), caption=[str(i) for i in range(30)])
    pairs = nib.load_pairs("hf:org/name", n=4, seed=1)
    chosen = [int(c) for c in pairs["caption"]]
    assert len(chosen) == 4 and chosen == sorted(chosen) == hub.data.opened == red(pairs)
    assert nib.load_pairs("hf:org/name", n=4, order="sorted")["caption"].tolist() == ["0", "1", "2", "3"]


def test_names_of_columns_split_configuration_and_cache(hub, tmp_path):
    hub.data = {"train": Table(img=pictures(1), text=["x"]), "test": Table(img=pictures(2), text=["y", "z"])}
    pairs = nib.load_pairs("hf:org/name", tmp_path, split="test", config="small", image="img", caption="text")
    assert hub.asked == [("org/name", "small", "test", str(tmp_path))] and pairs["caption"].tolist() == ["y", "z"]
    with pytest.raises(ValueError, match="hf:org/name has the splits train, test; pass split=..."):
        nib.load_pairs("hf:org/name", image="img", caption="text")
    with pytest.raises(ValueError, match="has no column 'image'; it has img, text; pass image=COLUMN"):
        nib.load_pairs("hf:org/name", split="test")
    hub.data = {"only": hub.data["test"]}
    assert len(nib.load_pairs("hf:org/name", image="img", caption="text")) == 2


def test_several_captions_are_kept_to_choose_from(hub):
    hub.data = Table(image=pictures(2), caption=[["a", "b"], ["c"]])
    pairs = nib.load_pairs("hf:org/name")
    assert pairs["caption"].tolist() == ["a", "c"] and pairs["captions"].tolist() == [["a", "b"], ["c"]]


def test_pictures_may_be_bytes_or_paths(hub, tmp_path):
    (tmp_path / "p.png").write_bytes(png(7))
    hub.data = Table(image=[{"bytes": png(5), "path": None}, {"bytes": None, "path": str(tmp_path / "p.png")},
                            str(tmp_path / "p.png")], caption=["a", "b", "c"])
    assert red(nib.load_pairs("hf:org/name")) == [5, 7, 7]


def test_broken_rows_raise_or_are_skipped(hub):
    hub.data = Table(image=[*pictures(2), {"bytes": b"no picture", "path": None}, None, "none.png"],
                     caption=["a", " ", "c", "d", "e"])
    with pytest.raises(ValueError, match="hf:org/name has 1 broken rows of 5 .row 2: the caption is empty"):
        nib.load_pairs("hf:org/name")
    with pytest.warns(UserWarning, match="4 broken rows of 5 are left out .row 2: .*; row 3: the picture cannot be decoded"):
        assert nib.load_pairs("hf:org/name", broken="skip")["caption"].tolist() == ["a"]
    hub.data.columns["caption"][1] = "b"
    with pytest.raises(ValueError, match="hf:org/name: row 3 has no picture in the column 'image' .Unidentified.*skip"):
        nib.load_pairs("hf:org/name")
    with pytest.raises(ValueError, match="broken is 'no'; pass one of 'raise', 'skip'"):
        nib.load_pairs("hf:org/name", broken="no")


@pytest.mark.parametrize("error", [FileNotFoundError("no such data set"), ConnectionError("no such data set"),
                                   ValueError("no such data set"), RuntimeError("no such data set")])
def test_a_data_set_that_cannot_be_loaded(hub, error):
    hub.data = error
    with pytest.raises(ValueError, match="hf:org/name cannot be loaded .*no such data set.; check its name, split"):
        nib.load_pairs("hf:org/name")


def test_an_empty_split_and_no_name(hub):
    hub.data = Table(image=[], caption=[])
    with pytest.raises(ValueError, match="hf:org/name has no rows"):
        nib.load_pairs("hf:org/name")
    with pytest.raises(ValueError, match=r"no data set is called 'hf:' \(did you mean 'hf:NAME'\?\); there are shapes.*hf:NAME"):
        nib.load_pairs("hf:")


def test_without_the_package_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match="'datasets' is needed but cannot be imported.*pip install datasets"):
        nib.load_pairs("hf:org/name")


def test_the_package_itself_reads_a_local_folder(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(4)], "caption": list("abcd")}
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "data" / "train.parquet"))
    pairs = nib.load_pairs(f"hf:{tmp_path / 'data'}", tmp_path / "cache", n=2, order="sorted")
    assert pairs["caption"].tolist() == ["a", "b"] and red(pairs) == [0, 1]


def test_a_huge_picture_of_the_hub_is_named_with_its_row(tmp_path, monkeypatch):
    Image.new("L", (40, 40)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="hf:x/y: row 1 has no picture in the column 'image' .*1600 pixels"):
        picture("x/y", [{"image": {"bytes": (tmp_path / "huge.png").read_bytes()}}], "image", 0)
