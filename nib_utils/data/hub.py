"""A data set of the Hugging Face hub as pairs, by way of the package `datasets`."""
from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import Path

import pandas as pd
from PIL import Image

from ..common.checks import check_choice
from ..common.packages import first_line, need
from .files import leave_out


def read_hf(name: str, root: str | Path | None = None, *, split: str | None = None, config: str | None = None,
            image: str = "image", caption: str = "caption", broken: str = "raise") -> pd.DataFrame:
    """A hub data set, one row per item: image (PIL), caption, and captions where the column holds lists of them.

    name: as on the hub, or a local folder that `datasets` reads; root: where its files are kept (its cache_dir).
    split: which, if it has several; config: its configuration; image, caption: the names of its columns. Pictures
    are decoded when the rows are chosen, and kept in memory; broken="skip" decodes all, to see which it leaves out.
    Raises ImportError without `datasets`, ValueError for a data set, split or column that is not there.

    >>> nib.load_pairs("hf:nlphuji/flickr30k", n=100, split="test")
    """
    check_choice("broken", broken, ("raise", "skip"))
    data = load(name, root, split, config)
    for kind, column in (("image", image), ("caption", caption)):
        if column not in data.column_names:
            raise ValueError(f"hf:{name} has no column {column!r}; it has {', '.join(data.column_names)}; "
                             f"pass {kind}=COLUMN.")
    captions = [list(c) if isinstance(c, (list, tuple)) else c for c in data[caption]]
    first = [next(iter(c), None) if isinstance(c, list) else c for c in captions]
    table = pd.DataFrame({"image": [partial(picture, name, data, image, i) for i in range(len(first))],
                          "caption": first}, index=range(1, len(first) + 1))
    if any(isinstance(c, list) for c in captions):
        table["captions"] = [c if isinstance(c, list) else [c] for c in captions]
    return whole_rows(table, name, broken)


def load(name: str, root: str | Path | None, split: str | None, config: str | None):
    """The data set's table: what `datasets` gives for the split, or for the only one it has."""
    datasets = need("datasets", "datasets")
    try:
        data = datasets.load_dataset(name, config, split=split, cache_dir=None if root is None else str(root))
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"hf:{name} cannot be loaded ({first_line(error)}); check its name, split and config, and "
                         "that the hub can be reached or the data set is in the cache.") from None
    if isinstance(data, dict):
        if len(data) != 1:
            raise ValueError(f"hf:{name} has the splits {', '.join(data)}; pass split=... with one of them.")
        data = next(iter(data.values()))
    if not len(data):
        raise ValueError(f"hf:{name} has no rows; choose another split.")
    return data


def whole_rows(table: pd.DataFrame, name: str, broken: str) -> pd.DataFrame:
    """The rows with a caption and, if broken ones are skipped, with a picture that can be decoded."""
    faults = []
    for later, text in zip(table["image"], table["caption"]):
        fault = "" if isinstance(text, str) and text.strip() else "the caption is empty"
        if broken == "skip" and not fault:
            try:
                later()
            except ValueError:
                fault = "the picture cannot be decoded"
        faults.append(fault)
    leave_out(faults, table.index, f"hf:{name}", broken)
    return table[[not fault for fault in faults]]


def picture(name: str, data, column: str, i: int) -> Image.Image:
    """The picture of row i, counted from 0, decoded: of a PIL image, of bytes, or of a path."""
    try:
        value = data[i][column]
        if isinstance(value, dict):  # how the package hands out pictures that it is told not to decode
            value = BytesIO(value["bytes"]) if value.get("bytes") else value.get("path")
        opened = value if isinstance(value, Image.Image) else Image.open(value)
        opened.load()
    except Exception as error:  # strangers' bytes make a decoder fail in any way
        raise ValueError(f"hf:{name}: row {i + 1} has no picture in the column {column!r} ({first_line(error)}); "
                         'leave it out with broken="skip".') from None
    return opened
