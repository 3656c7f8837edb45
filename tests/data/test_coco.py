"""COCO's JSON as pairs: captions, phrases, boxes, masks; how masks are drawn, and cut as the model's pictures are."""
import copy
import json
import re
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from disk import real
from matplotlib.path import Path as Outline
from PIL import Image

import nib_utils as nib
from nib_utils.clip.pictures import Preprocess
from nib_utils.data import coco_masks
from nib_utils.data.coco_masks import draw_masks, run_lengths
from nib_utils.measures.masks import crop_masks


def draw_mask(segmentation, height: int, width: int) -> np.ndarray:
    """One segmentation as one mask."""
    return draw_masks([[segmentation]], height, width)[0]


# ---- polygons

def test_a_polygon_takes_the_pixels_whose_centres_it_holds():
    corner = draw_mask([[0, 0, 3, 0, 0, 3]], 4, 5)  # the diagonal runs through centres: those are on its far side
    assert corner.astype(int).tolist() == [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert draw_mask([[1, 1, 4, 1, 4, 3, 1, 3]], 4, 5)[1:3, 1:4].all()
    assert draw_mask([[1, 1, 4, 1, 4, 3, 1, 3]], 4, 5).sum() == 6
    assert draw_mask([[0.6, 0.6, 1.4, 0.6, 1.4, 1.4, 0.6, 1.4]], 4, 5).sum() == 0  # between four centres
    assert draw_mask([[-9, -9, 99, -9, 99, 99, -9, 99]], 4, 5).all()  # beyond the picture


def test_polygons_of_one_thing_and_things_of_one_name_are_joined_not_exchanged():
    square, other = [0, 0, 2, 0, 2, 2, 0, 2], [2, 2, 3, 2, 3, 3, 2, 3]
    assert draw_mask([square, square], 3, 3).sum() == 4
    assert draw_mask([square, other], 3, 3).sum() == 5
    both = draw_masks([[[square], [other]], [[other]], [[square], {"size": [3, 3], "counts": [8, 1]}]], 3, 3)
    assert both.dtype == bool and both.sum((1, 2)).tolist() == [5, 1, 5] and draw_masks([], 3, 3).shape == (0, 3, 3)


@pytest.mark.parametrize("seed", range(5))
def test_polygons_are_those_of_matplotlib_but_for_their_rims(seed):
    """Star-shaped, concave, and partly outside: COCO's tools round the outline to fifths of a pixel and then to rows,
    so that pixels whose centres lie within a pixel of it may differ, and no others; as many are gained as are lost."""
    rng = np.random.default_rng(seed)
    H, W, P = 37, 52, 11
    angles, far = np.sort(rng.uniform(0, 2 * np.pi, P)), rng.uniform(4, 35, P)
    points = np.stack([26 + far * np.cos(angles), 18 + far * np.sin(angles)], 1)
    y, x = np.mgrid[:H, :W] + 0.5
    centres = np.stack([x.ravel(), y.ravel()], 1)
    inside = Outline(np.vstack([points, points[:1]]), closed=True).contains_points(centres)
    mask = draw_mask([points.ravel().tolist()], H, W).ravel()
    distances = [to_edge(centres, a, b) for a, b in zip(points, np.roll(points, -1, 0))]
    rim = np.min(distances, 0) < 1
    assert 100 < mask.sum() < H * W and rim.mean() < 0.35 and (mask == inside)[~rim].all()
    assert (mask & inside).sum() / (mask | inside).sum() > 0.95
    assert abs(int(mask.sum()) - int(inside.sum())) < 0.02 * H * W


def to_edge(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of points (N, 2) from the edge a to b."""
    along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)


# ---- run lengths

def slow_runs(mask: np.ndarray) -> list[int]:
    """Run lengths down the columns, background first, pixel by pixel."""
    runs, value = [0], False
    for pixel in mask.T.ravel():
        if pixel == value:
            runs[-1] += 1
        else:
            runs.append(1)
            value = pixel
    return runs


def slow_string(runs: list[int]) -> str:
    """COCO's string of run lengths: differences in two's complement, five bits at a time, as few as hold the sign."""
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        length = next(k for k in range(1, 9) if -(2 ** (5 * k - 1)) <= value < 2 ** (5 * k - 1))
        for k in range(length):
            text += chr(48 + (value >> 5 * k) % 32 + 32 * (k < length - 1))
    return text


def test_run_lengths_worked_by_hand():
    left, right = {"size": [2, 3], "counts": [0, 3, 3]}, {"size": [2, 3], "counts": "033"}
    assert draw_mask(left, 2, 3).astype(int).tolist() == [[1, 1, 0], [1, 0, 0]]
    assert (draw_mask(left, 2, 3) == draw_mask(right, 2, 3)).all()
    assert run_lengths("T3") == [100]  # 100 = 4 + 3 * 32: chr(48 + 4 + 32), chr(48 + 3)
    assert run_lengths("5") == [5] and run_lengths("`0") == [16]  # 16 alone would be -16: it needs a second character
    assert run_lengths("5235") == [5, 2, 3, 7]  # the fourth is 5 more than the second
    assert run_lengths("523N") == [5, 2, 3, 0]  # and here 2 less, 30 - 32
    assert run_lengths(b"T3") == [100]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_run_lengths_and_their_string_give_the_mask_back(share):
    mask = np.random.default_rng(0).random((60, 90)) < share
    mask[:, 30:60] = True  # a run of thousands
    runs = slow_runs(mask)
    for counts in (runs, slow_string(runs), slow_string(runs).encode()):
        assert (draw_mask({"size": [60, 90], "counts": counts}, 60, 90) == mask).all()


@pytest.mark.parametrize("segmentation, said", [
    ([[0, 0, 1, 1]], "neither polygons of at least three points nor run lengths"),
    ([[0, 0, 1, 1, 2, 2, 3]], "neither polygons"), ([], "neither polygons"), (None, "neither polygons"),
    ([[0, 0, 1, 1, 2, float("nan")]], "neither polygons"), ([["0", 0, 1, 1, 2, 2]], "neither polygons"),
    ([[0, 0, 1, 1, 2, 1e300]], "neither polygons"), ([[0, 0, 1, 1, 2, 10**400]], "neither polygons"),
    ({"size": [3, 2], "counts": [6]}, r"of size \[3, 2\], the image of \[2, 3\]"),
    ({"size": [2, 3], "counts": [5]}, "cover 5 of 6 pixels"), ({"size": [2, 3], "counts": [8, -2]}, "cover 6 of 6"),
    ({"size": [2, 3], "counts": "0\n"}, "neither whole numbers nor COCO's string"),
    ({"size": [2, 3]}, "neither whole numbers"), ({"size": [2, 3], "counts": "T"}, "ends within a number")])
def test_segmentations_that_cannot_be_drawn(segmentation, said):
    with pytest.raises(ValueError, match=said):
        draw_mask(segmentation, 2, 3)


# ---- masks cut as pictures

@pytest.mark.parametrize("size", [(300, 200), (200, 300), (224, 224), (640, 90), (31, 47), (3000, 60)])
def test_masks_are_cut_where_the_pixels_are(size):
    """A picture whose colour says where it was: the mask of a region covers the pixels of that colour."""
    w, h = size
    mask = np.zeros((1, h, w), bool)
    mask[0, h // 4 : h // 4 * 3, w // 3 : w // 2] = True
    preprocess = Preprocess(mean=(0, 0, 0), std=(1, 1, 1), resample=Image.Resampling.BICUBIC)
    pixels = preprocess(Image.fromarray(np.where(mask[0], 255, 0).astype(np.uint8)))[0]
    cropped = crop_masks(mask, preprocess)[0]
    assert cropped.shape == (224, 224) and cropped.dtype == bool and 0 < cropped.sum() < 224 * 224
    clear = (pixels < 0.05) | (pixels > 0.95)  # bicubic blurs the rim
    assert clear.float().mean() > 0.8 and (cropped == (pixels > 0.5).numpy())[clear.numpy()].all()


def test_masks_follow_the_preprocess():
    masks = np.zeros((2, 8, 16), bool)
    masks[0, :, :4] = True  # the left quarter: cropped away, but kept when squashed
    masks[1, :4] = True
    cut, squashed = (crop_masks(masks, Preprocess(size=(4, 4), squash=squash)) for squash in (False, True))
    assert cut.sum((1, 2)).tolist() == [0, 8] and squashed.sum((1, 2)).tolist() == [4, 8]
    assert crop_masks(masks[:0], Preprocess()).shape == (0, 224, 224)
    with pytest.raises(ValueError, match=r"masks are uint8 of shape \(2, 8, 16\); pass bool"):
        crop_masks(masks.astype(np.uint8), Preprocess())
    with pytest.raises(ValueError, match=r"of shape \(8, 16\); pass bool of shape \(P, H, W\)"):
        crop_masks(masks[0], Preprocess())


# ---- the data set

def box(x, y, w, h):
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


INSTANCES = {
    "images": [{"id": 7, "file_name": "b.jpg", "height": 20, "width": 30},
               {"id": 3, "file_name": "a.jpg", "height": 10, "width": 10},
               {"id": 5, "file_name": "c.jpg", "height": 8, "width": 8}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 18, "bbox": [2, 2, 4, 4], "segmentation": box(2, 2, 4, 4)},
        {"id": 2, "image_id": 3, "category_id": 1, "bbox": [0, 0, 10, 5],
         "segmentation": {"size": [10, 10], "counts": [0] + [5] * 20}, "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 0, 5, 20], "segmentation": box(10, 0, 5, 20)},
        {"id": 4, "image_id": 7, "category_id": 18, "bbox": [20, 12, 6, 3], "segmentation": box(20, 12, 6, 3)}],
    "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]}
CAPTIONS = {
    "images": [{"id": 3, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}, {"id": 5, "file_name": "c.jpg"}],
    "annotations": [{"id": 1, "image_id": 7, "caption": "Two dogs.\n"}, {"id": 2, "image_id": 3, "caption": "People"},
                    {"id": 3, "image_id": 7, "caption": "A man"}, {"id": 4, "image_id": 5, "caption": "Nothing"}]}


def lay(root: Path, captions: dict | None, instances: dict | None, pictures: str = "val2017") -> Path:
    """A COCO folder as published."""
    (root / "annotations").mkdir(parents=True)
    (root / pictures).mkdir(exist_ok=True)
    for name, width, height in (("a.jpg", 10, 10), ("b.jpg", 30, 20), ("c.jpg", 8, 8)):
        Image.new("RGB", (width, height)).save(root / pictures / name)
    for kind, content in (("captions", captions), ("instances", instances)):
        if content is not None:
            (root / "annotations" / f"{kind}_val2017.json").write_text(json.dumps(content))
    return root


def test_images_come_with_captions_phrases_boxes_and_masks(tmp_path):
    pairs = nib.load_pairs("coco", lay(tmp_path / "coco", CAPTIONS, INSTANCES))
    assert list(pairs.columns) == ["image", "caption", "captions", "phrases", "boxes", "masks"]
    assert [Path(image).name for image in pairs.image] == ["a.jpg", "b.jpg", "c.jpg"]
    assert pairs.captions.tolist() == [["People"], ["Two dogs.", "A man"], ["Nothing"]]
    assert pairs.caption.tolist() == ["People", "Two dogs.", "Nothing"]
    assert pairs.phrases.tolist() == [["person"], ["dog", "person"], []]
    assert pairs.boxes[1] == [(2.0, 2.0, 26.0, 15.0), (10.0, 0.0, 15.0, 20.0)]
    assert [masks.shape for masks in pairs.masks] == [(1, 10, 10), (2, 20, 30), (0, 8, 8)]
    assert all(masks.dtype == bool for masks in pairs.masks)
    assert pairs.masks[0][0, :5].all() and not pairs.masks[0][0, 5:].any()
    dogs = np.zeros((20, 30), bool)
    dogs[2:6, 2:6] = dogs[12:15, 20:26] = True
    assert (pairs.masks[1][0] == dogs).all() and pairs.masks[1][1].sum() == 100


def test_each_instance_may_stand_on_its_own(tmp_path):
    row = nib.load_pairs("coco", lay(tmp_path / "coco", CAPTIONS, INSTANCES), per="instance").iloc[1]
    assert row.phrases == ["dog", "person", "dog"] and row.masks.sum((1, 2)).tolist() == [16, 100, 18]
    assert row.boxes == [(2, 2, 6, 6), (10, 0, 15, 20), (20, 12, 26, 15)]
    with pytest.raises(ValueError, match="per is 'box'; pass one of 'category', 'instance'"):
        nib.load_pairs("coco", tmp_path / "coco", per="box")


@pytest.mark.parametrize("pictures", ["images", "images/val2017", "val2017", "."])
def test_a_file_may_be_named_and_finds_the_other_and_the_pictures(tmp_path, pictures):
    (tmp_path / "coco" / "images").mkdir(parents=True)
    root = lay(tmp_path / "coco", CAPTIONS, INSTANCES, pictures)
    one, other = (nib.load_pairs("coco", root / "annotations" / f"{kind}_val2017.json") for kind in ("captions", "instances"))
    assert one.captions.tolist() == other.captions[[1, 0, 2]].tolist()  # each in its file's order
    assert [m.tolist() for m in one.masks] == [m.tolist() for m in other.masks[[1, 0, 2]]]
    (root / "annotations" / "captions_train2017.json").write_text("{}")
    with pytest.raises(ValueError, match="2 files annotations/captions.*pass the path of one"):
        nib.load_pairs("coco", root)


def test_captions_alone_and_instances_alone(tmp_path):
    pairs = nib.load_pairs("coco", lay(tmp_path / "c", CAPTIONS, None))
    assert list(pairs.columns) == ["image", "caption", "captions"] and len(pairs) == 3
    pairs = nib.load_pairs("coco", lay(tmp_path / "i", None, INSTANCES), per="instance")
    assert pairs.caption.tolist() == ["a photo of dog, person", "a photo of person"]
    assert pairs.phrases.map(len).tolist() == [3, 1]


def test_only_the_masks_of_chosen_rows_are_drawn(tmp_path, monkeypatch):
    root, drawn = lay(tmp_path / "coco", CAPTIONS, INSTANCES), []
    monkeypatch.setattr(coco_masks, "check_segmentation", lambda s, h, w: drawn.append(s))  # of what is drawn
    pairs = nib.load_pairs("coco", root, n=1, order="sorted")
    assert len(drawn) == 1 and pairs.masks[0].shape == (1, 10, 10)


def broken(change) -> dict:
    content = copy.deepcopy(INSTANCES)
    change(content)
    return content


@pytest.mark.parametrize("change, said", [
    (lambda c: c["annotations"][2].update(segmentation=[[1, 2]]), "row 2: annotation 3 has a segmentation .*neither"),
    (lambda c: c["annotations"][0].update(category_id=99), "row 2: annotation 1 is of category 99, which has no name"),
    (lambda c: c["annotations"][3].update(bbox=[1, 2]), r"row 2: annotation 4 has the bbox \[1, 2\], not four numbers"),
    (lambda c: c["images"][0].pop("height"), "row 2: the instances give no height and width")])
def test_broken_annotations_are_named_or_skipped(tmp_path, change, said):
    root = lay(tmp_path / "coco", CAPTIONS, broken(change))
    with pytest.raises(ValueError, match=f"captions_val2017.json' has 1 broken rows of 3 .{said}"):
        nib.load_pairs("coco", root)
    with pytest.warns(UserWarning, match=said):
        pairs = nib.load_pairs("coco", root, broken="skip")
    assert pairs.caption.tolist() == ["People", "Nothing"] and "fault" not in pairs
    (root / "annotations" / "captions_val2017.json").unlink()
    with pytest.raises(ValueError, match=said.replace("row 2", "row 1")):
        nib.load_pairs("coco", root)


def test_missing_pictures_and_empty_captions_are_named_or_skipped(tmp_path):
    captions = copy.deepcopy(CAPTIONS)
    captions["annotations"][3]["caption"] = " "
    root = lay(tmp_path / "coco", captions, INSTANCES)
    (root / "val2017" / "b.jpg").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="row 2: the image 'b.jpg' cannot be read; row 3: the caption is empty"):
        assert nib.load_pairs("coco", root, broken="skip").caption.tolist() == ["People"]
    (root / "val2017" / "a.jpg").unlink()
    with pytest.raises(ValueError, match="2 broken rows of 3 .row 1: there is no image 'a.jpg'; row 3"):
        nib.load_pairs("coco", root)


@pytest.mark.parametrize("text, said", [
    ("[", "not JSON of COCO's form"), ("[]", "not JSON of COCO's form"), ('{"images": []}', "KeyError: 'annotations'"),
    ('{"images": [{"id": 1}], "annotations": []}', "KeyError: 'file_name'"),
    ('{"images": [], "annotations": []}', "0 images and 0 annotations")])
def test_json_of_another_form_is_refused(tmp_path, text, said):
    file = tmp_path / "captions.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"{re.escape(str(file))}.*{said}"):
        nib.load_pairs("coco", file)


def test_a_folder_without_coco_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file annotations/captions\*.json or .*COCO .https.*captions_val2017"):
        nib.load_pairs("coco", tmp_path)


# ---- the notebook

@pytest.mark.filterwarnings("ignore:.* of . phrases are left out", "ignore:FigureCanvasAgg")
def test_the_localization_notebook_on_a_coco_of_ones_own(tmp_path, monkeypatch):
    """Two wide pictures of three things each, of which the crop removes one, and a picture of a single thing."""
    things = [(1, 40, 30), (2, 70, 20), (3, 0, 20)]  # category, left and width; the middle 60 of 120 pixels are seen
    (tmp_path / "own" / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(3):
        Image.effect_mandelbrot((120, 60), (-2 + i / 9, -1, 1, 1), 40).save(tmp_path / "own" / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": 60, "width": 120})
        annotations += [{"id": 9 * i + kind, "image_id": i, "category_id": kind, "bbox": [x, 10, w, 40],
                         "segmentation": box(x, 10, w, 40)} for kind, x, w in things[: 3 if i else 1]]
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": 1, "name": "star"}, {"id": 2, "name": "ring"}, {"id": 3, "name": "cross"}]}
    (tmp_path / "own" / "instances.json").write_text(json.dumps(content))
    monkeypatch.setattr(nib, "load_clip", lambda name: nib.wrap(tiny.openai(layers=2, image_size=224)))
    book = nbformat.read(Path(__file__).parents[2] / "notebooks" / "localization.ipynb", as_version=4)
    _, parameters, *cells = [cell.source for cell in book.cells if cell.cell_type == "code"]  # the first one installs
    space: dict = {}
    exec(parameters, space)
    space |= dict(dataset="coco", root=str(tmp_path / "own"), scenes=3, methods=["all_ones", "random"],
                  results=str(tmp_path / "results"))
    for cell in cells:
        exec(cell, space)
    (folder,) = (tmp_path / "results" / "localization").iterdir()
    record = json.loads((folder / "localization.json").read_text())
    assert record["parameters"]["dataset"] == "coco" and record["phrases"] == 4
    found = pd.read_csv(folder / "localization.csv", index_col=0)
    areas = [30 * 40 / 60**2, 20 * 40 / 60**2]  # of the two that are seen, which is what a flat map gets
    assert found.loc["all_ones", "mass"] == pytest.approx(np.mean(areas), abs=0.005)
    assert found.loc["random", "mass"] != found.loc["all_ones", "mass"]


# ---- real photographs

def test_real_masks_have_the_areas_of_their_polygons_and_fill_their_boxes():
    root = real("coco")
    pairs = nib.load_pairs("coco", root, per="instance")
    instances = json.loads((root / "annotations" / "instances.json").read_text())
    assert len(pairs) == 143 and sum(map(len, pairs.phrases)) == len(instances["annotations"]) == 1197
    shoelace = 0
    for annotation in instances["annotations"]:
        for polygon in annotation["segmentation"]:
            x, y = np.array(polygon).reshape(-1, 2).T
            shoelace += abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
    assert sum(masks.sum() for masks in pairs.masks) == pytest.approx(shoelace, rel=0.005)
    for row in pairs.itertuples():
        with Image.open(row.image) as picture:
            assert row.masks.shape[1:] == picture.size[::-1]
        for (x0, y0, x1, y1), mask in zip(row.boxes, row.masks):
            y, x = np.nonzero(mask)
            assert x.min() >= x0 - 1 and y.min() >= y0 - 1 and x.max() <= x1 and y.max() <= y1


def test_real_phrases_are_located():
    clip = nib.load_clip("mini")
    pairs = nib.load_pairs("coco", real("coco"), n=6)
    pairs["masks"] = [nib.crop_masks(masks, clip.preprocess) for masks in pairs["masks"]]
    phrases = nib.phrase_pairs(pairs).head(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = nib.localize(clip, phrases, "nib")
    assert len(scores) == 8 and scores.mass.between(0, 1).all()
    whole = torch.from_numpy(np.stack(phrases["mask"].to_list())).float().mean((1, 2)).numpy()
    ones = nib.localize(clip, phrases, "all_ones")
    np.testing.assert_allclose(ones.pointing, whole, atol=1e-6)  # a flat map points by chance


def test_real_objects_beyond_the_crop_are_named_or_left_out():
    clip = nib.load_clip("mini")
    pairs = nib.load_pairs("coco", real("coco"), n=6, seed=6)
    phrases = nib.phrase_pairs(pairs)
    there = [nib.crop_masks(mask[None], clip.preprocess).any() for mask in phrases["mask"]]
    assert 0 < sum(there) < len(there)
    first = there.index(False)
    with pytest.raises(ValueError, match=f"first that of row {first}, '{phrases.phrase[first]}'"):
        nib.localize(clip, phrases, "all_ones")
    with pytest.warns(UserWarning, match=f"{len(there) - sum(there)} of {len(there)} phrases are left out"):
        rows = nib.localize(clip, phrases, "all_ones", broken="skip")
    assert rows.index.tolist() == np.flatnonzero(there).tolist()
