"""COCO, or any data set in its JSON: captions, and named objects with boxes and masks."""
from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..common.checks import brief, check_choice
from ..common.packages import first_line
from .coco_masks import LONGEST, check_segmentation, draw_masks, is_place
from .files import HOW_TO_GET, IMAGE_FOLDERS, check_rows, pick_file, read_text


def read_coco(root: Path, *, per: str = "category", broken: str = "raise") -> pd.DataFrame:
    """COCO, one row per image: captions (list of str) and caption, the first; with instances also what is where.

    root: the folder of annotations/ and the pictures, or a captions or instances JSON; of the two, the other is
    found beside it. phrases: list of str, category names; boxes: (x0, y0, x1, y1) for each, pixels; masks:
    (len(phrases), H, W) bool at the size that the JSON gives, up to a few megabytes for an image, so ask for n;
    see `crop_masks`. per: "category", all that a name covers in one mask and one box, or "instance", each thing on
    its own. Where there are instances but no captions, a caption lists the categories, and an image without
    any is left out. broken: as for `read_csv`, rows counted in the JSON's images.

    >>> nib.load_pairs("coco", "coco/annotations/captions_val2017.json", n=500).phrases[0]
    """
    check_choice("per", per, ("category", "instance"))
    patterns = [f"{folder}{kind}*.json" for kind in ("captions", "instances") for folder in ("annotations/", "")]
    file = pick_file(root, tuple(patterns), "coco")
    kind, other = ("instances", "captions") if "instances" in file.name else ("captions", "instances")
    beside = file.with_name(file.name.replace(kind, other))
    found = {kind: read_json(file)} | ({other: read_json(beside)} if beside != file and beside.is_file() else {})
    images = found[kind]["images"]
    table = pd.DataFrame({"image": [image["file_name"] for image in images]}, index=range(1, len(images) + 1))
    if "instances" in found:
        rows = objects(images, found["instances"], per)
        table["phrases"], table["boxes"], table["masks"], table["fault"] = zip(*rows)
    if "captions" in found:
        said = group(found["captions"]["annotations"])
        told = [[str(a.get("caption", "")).strip() for a in said.get(image["id"], [])] for image in images]
    else:
        told = [["a photo of " + ", ".join(dict.fromkeys(phrases))] for phrases in table["phrases"]]
    table.insert(1, "caption", [next(filter(None, captions), "") for captions in told])
    table.insert(2, "captions", [list(filter(None, captions)) for captions in told])
    if "captions" not in found:
        table = table[(table["phrases"].map(len) > 0) | (table["fault"] != "")]
    base = file.parent.parent if file.parent.name == "annotations" else file.parent
    split = file.stem.rpartition("_")[2]  # captions_val2017.json is of val2017/
    folders = [base / sub for sub in (*IMAGE_FOLDERS, split, f"images/{split}")]
    return check_rows(table, file, broken, folders)


def read_json(file: Path) -> dict:
    """A file in COCO's form, what cannot be done without known to be there."""
    text = read_text(file)
    try:
        content = json.loads(text)
        names = {image["id"]: image["file_name"] for image in content["images"]}
        owners = {annotation["image_id"] for annotation in content["annotations"]}
        named = {category["id"]: category["name"] for category in content.get("categories", [])}
        if not all(isinstance(name, str) for name in (*names.values(), *named.values())):
            raise TypeError("a name is not text")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"'{file}' is not JSON of COCO's form, images with id and file_name, annotations with "
                         f"image_id and categories with id and name ({first_line(error)}); {HOW_TO_GET['coco']}."
                         ) from None
    if not names or not owners:
        raise ValueError(f"'{file}' has {len(names)} images and {len(owners)} annotations; give it some of each.")
    return content


def group(annotations: list[dict]) -> dict[int, list[dict]]:
    """Annotations by the id of their image, in file order."""
    grouped: dict[int, list[dict]] = {}
    for annotation in annotations:
        grouped.setdefault(annotation["image_id"], []).append(annotation)
    return grouped


def objects(images: list[dict], instances: dict, per: str) -> list[tuple]:
    """For each image: phrases, boxes, a `partial` that draws the masks, and what is wrong in words ("" if nothing)."""
    names = {category["id"]: category["name"] for category in instances.get("categories", [])}
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in instances["images"]}
    things, rows = group(instances["annotations"]), []
    for image in images:
        mine, size = things.get(image["id"], []), sizes.get(image["id"], (None, None))
        if all(isinstance(length, int) and 0 < length <= LONGEST for length in size):
            fault = next(filter(None, (fault_of(thing, names, size) for thing in mine)), "")
        else:
            fault = f"the instances give no height and width of its image, 1 to {LONGEST} pixels"
        if fault:
            rows.append(([], [], None, fault))
            continue
        named: dict = {}
        for i, thing in enumerate(mine):
            named.setdefault(names[thing["category_id"]] if per == "category" else i, []).append(thing)
        phrases = [names[things[0]["category_id"]] for things in named.values()]
        boxes = [around([thing["bbox"] for thing in things]) for things in named.values()]
        shapes = [[thing["segmentation"] for thing in things] for things in named.values()]
        rows.append((phrases, boxes, partial(draw_masks, shapes, *size), ""))
    return rows


def fault_of(thing: dict, names: dict, size: tuple) -> str:
    """What is wrong with an annotation, in words; empty if nothing is."""
    which, box = f"annotation {thing.get('id')}", thing.get("bbox")
    if not isinstance(kind := thing.get("category_id"), (int, str)) or not names.get(kind):
        return f"{which} is of category {brief(kind)}, which has no name"
    if not (isinstance(box, list) and len(box) == 4 and all(map(is_place, box))):
        return f"{which} has the bbox {brief(box)}, not four numbers"
    try:
        check_segmentation(thing.get("segmentation"), *size)
    except ValueError as error:
        return f"{which} has a segmentation that cannot be drawn: {error}"
    return ""


def around(boxes: list[list[float]]) -> tuple[float, float, float, float]:
    """The corners (x0, y0, x1, y1) of the smallest box around COCO's (x, y, width, height)."""
    x, y, width, height = np.array(boxes, float).T
    return tuple(float(v) for v in (x.min(), y.min(), (x + width).max(), (y + height).max()))
