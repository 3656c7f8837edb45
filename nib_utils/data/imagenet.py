"""Tiny-ImageNet-200: pictures of classes, captioned "a photo of a ..." with the names of their class."""
from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pandas as pd

from ..common.checks import check_choice, check_whole
from ..common.packages import first_line
from .files import HOW_TO_GET, check_root, check_rows, read_lines, read_text
from .folders import photo_of, warn_short


def read_imagenet(root: Path, *, per_class: int | None = 5, names: str = "all",
                  broken: str = "raise") -> pd.DataFrame:
    """Tiny-ImageNet-200 val: the `per_class` lowest-numbered images of each class (None: all), in wnids.txt's order.

    caption: "a photo of a " and the class's synonyms, names="all" or "first"; columns wnid, label (place in
    wnids.txt, 0..199) and box (x0, y0, x1, y1), pixels of the 64 x 64 picture. The published subset followed
    the directory order of one machine and cannot be had again.

    >>> nib.load_pairs("imagenet", "tiny-imagenet-200", per_class=1, names="first")
    """
    check_root(root, "imagenet", folder=True)
    if per_class is not None:
        check_whole("per_class", per_class, 1)
    check_choice("names", names, ("all", "first"))
    file = root / "val" / "val_annotations.txt"
    for needed in (root / "wnids.txt", root / "words.txt", file):
        if not needed.is_file():
            raise FileNotFoundError(f"imagenet: there is no file '{needed}'; {HOW_TO_GET['imagenet']}.")
    wnids = read_lines(root / "wnids.txt")
    words = dict(line.split("\t", 1) for line in read_lines(root / "words.txt") if "\t" in line)
    corners = ["x0", "y0", "x1", "y1"]
    try:
        table = pd.read_csv(StringIO(read_text(file)), sep="\t", header=None, names=["image", "wnid", *corners],
                            index_col=False, quoting=csv.QUOTE_NONE, dtype={"image": str, "wnid": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"'{file}' cannot be read as a table ({first_line(error)}); unpack the data set again."
                         ) from None
    table.index += 1  # as lines are counted
    table["label"] = table["wnid"].map({wnid: i for i, wnid in enumerate(wnids) if wnid in words})
    table["number"] = table["image"].str.extract(r"(\d+)", expand=False).astype(float)
    table[corners] = table[corners].apply(pd.to_numeric, errors="coerce")
    strange = table.isna().any(axis=1)
    if strange.any():
        raise ValueError(f"row {strange.idxmax()} of '{file}' is not a numbered image, a class of wnids.txt and of "
                         "words.txt, and four corners, separated by tabs; unpack the data set again.")
    table = table.sort_values(["label", "number"]).astype({"label": int})
    if per_class is not None:
        table = table.groupby("label").head(per_class)
        warn_short(table["label"], per_class, len(wnids))
    table["caption"] = [photo_of(words[wnid], names) for wnid in table["wnid"]]
    table["box"] = list(table[corners].itertuples(index=False, name=None))
    return check_rows(table, file, broken)[["image", "caption", "wnid", "label", "box"]]
