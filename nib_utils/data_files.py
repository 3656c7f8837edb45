"""The files of a data set on disk: found, read and checked, or one clear sentence about what is wrong."""
from __future__ import annotations

import csv
import json
import os
import re
import warnings
from collections.abc import Sequence
from io import StringIO
from numbers import Integral, Real
from pathlib import Path

import pandas as pd

from .inputs import read_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")  # what a picture's name may end in
IMAGE_FOLDERS = ("", "images", "Images", "Flicker8k_Dataset")  # where a table's pictures may lie, beside it
RESERVED = {"captions": "holds a list of captions in each row", "fault": "says what is wrong with a row"}  # columns
HOW_TO_GET = {
    "cc": "Conceptual Captions (https://ai.google.com/research/ConceptualCaptions) is published as links: get them "
          "with `python -m nib_utils download-cc LIST ROOT`, or list your own pictures in cc.csv with the columns "
          "file_path and caption",
    "imagenet": "Tiny-ImageNet-200 (http://cs231n.stanford.edu/tiny-imagenet-200.zip) unpacks to a folder with "
                "wnids.txt, words.txt, val/val_annotations.txt and val/images/; a folder per class is 'folders'",
    "folders": "a folder of pictures like ImageNet's holds a folder per class, named by the class or its wnid",
    "flickr8k": "Flickr8k (https://hockenmaier.cs.illinois.edu/8k-pictures.html) is a folder images/ beside "
                "captions.csv (image, caption; a row per caption), en_val.json, dataset_flickr8k.json or "
                "Flickr8k.token.txt",
    "coco": "COCO (https://cocodataset.org/#download) is a folder annotations/ with captions_val2017.json and "
            "instances_val2017.json beside the pictures in val2017/ or images/",
    "csv": "a CSV of your own has the columns image and caption, image paths relative to its folder",
}


def check_whole(name: str, value, least: int) -> None:
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value!r}; pass a whole number of at least {least}.")


def check_share(name: str, value) -> None:
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}; it lies in 0..1.")


def check_choice(name: str, value, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; pass one of {', '.join(map(repr, choices))}.")


def pick_file(root: Path, patterns: tuple[str, ...], name: str) -> Path:
    """Root itself if it is a file, else the one file in it that fits the first pattern that any file fits."""
    if root.is_file():
        return root
    for pattern in patterns:
        found = sorted(root.glob(pattern))
        if len(found) > 1:
            raise ValueError(f"{name}: '{root}' has {len(found)} files {pattern} ({found[0].name}, {found[1].name}"
                             f"{', ...' if len(found) > 2 else ''}); pass the path of one of them as root.")
        if found:
            return found[0]
    raise FileNotFoundError(f"{name}: the folder '{root}' has no file {' or '.join(patterns)}; {HOW_TO_GET[name]}.")


def read_table(file: Path) -> pd.DataFrame:
    """A CSV or TSV (columns image or file_path, and caption), indexed by row as a spreadsheet counts them."""
    sep, mark = ("\t", "tab") if file.suffix == ".tsv" else (",", "comma")
    content = read_text(file)

    def read(**options) -> pd.DataFrame:
        return pd.read_csv(StringIO(content), sep=sep, keep_default_na=False, skip_blank_lines=False,
                           skipinitialspace=True, **options)

    try:
        header = read(header=None, nrows=1, dtype=str).iloc[0]  # as it stands: of two columns k pandas makes k and k.1
        text = {name: str for name in header if name.strip() in ("image", "file_path", "caption")}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header loses its end
            table = read(index_col=False, dtype=text)
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"'{file}' cannot be read as a table ({long_row(content, sep) or str(error).strip()}); give "
                         f"it a header, and put a caption that contains a {mark} in double quotes.") from None
    check_header(header.str.strip().tolist(), file)
    table.index += 2
    table.columns = table.columns.str.strip()
    found = table.columns.tolist()
    if "image" not in table:
        table = table.rename(columns={"file_path": "image"})
    missing = [name for name in ("image", "caption") if name not in table]
    if missing:
        raise ValueError(f"'{file}' has no column {' and no column '.join(missing)}; it has {', '.join(found)}.")
    return table[(table.astype(str) != "").any(axis=1)]  # blank lines go, but they counted as rows


def check_header(names: list[str], file: Path) -> None:
    """Refuse a column that is there twice, or that is called what a column of ours is."""
    for name in names:
        if name and names.count(name) > 1:
            raise ValueError(f"'{file}' has {names.count(name)} columns {name!r}; rename or remove all but one.")
        if name in RESERVED:
            raise ValueError(f"'{file}' has a column {name!r}, which in a table of pairs {RESERVED[name]}; rename it.")


def long_row(text: str, sep: str) -> str:
    """The first row with more fields than the header, in words; empty if there is none."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=sep, skipinitialspace=True)
    try:
        header, line = next(rows, []), rows.line_num + 1
        for row in rows:
            if len(row) > len(header):
                return f"line {line} has {len(row)} fields, but the header has {len(header)}"
            line = rows.line_num + 1  # a field in quotes may go over several lines
    except csv.Error:  # pandas says better what that is
        pass
    return ""


def read_candidates(file: Path) -> pd.DataFrame:
    """Images with several captions each -> columns image and caption, a row per caption, indexed by row in the file.

    A column split where the file says it, as Karpathy's does.
    """
    if file.suffix == ".json":
        try:
            content = json.loads(file.read_text("utf-8"))
            if isinstance(content, dict) and "images" in content:
                items = [(item["filename"], [sentence["raw"] for sentence in item["sentences"]], item["split"])
                         for item in content["images"]]
            else:
                items = [(item["image"], item["caption"]) for item in content]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"'{file}' is not a JSON list of items with image and caption, nor Karpathy's images with "
                             f"filename, sentences and split ({error}).") from None
        columns = ["image", "caption", "split"][: len(items[0]) if items else 2]
        return pd.DataFrame(items, columns=columns, index=range(1, len(items) + 1)).explode("caption")
    lines = read_lines(file)
    parts = [re.fullmatch(r"(.+)#\d+\t(.*)", line) for line in lines]
    if not any(parts[:1]):
        return read_table(file)
    if not all(parts):
        raise ValueError(f"row {parts.index(None) + 1} of '{file}' is not of the form name#0<TAB>caption; mend it.")
    return pd.DataFrame([part.groups() for part in parts], columns=["image", "caption"], index=range(1, len(parts) + 1))


def read_lines(file: Path) -> list[str]:
    return read_text(file).splitlines()


def read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} of '{file}' is not text in UTF-8; save it as UTF-8.") from None


def check_rows(table: pd.DataFrame, file: Path, broken: str, folders: Sequence[Path] = ()) -> pd.DataFrame:
    """The rows with their image's absolute path; those without image or caption raise, or are left out and named.

    folders: where the images may lie, by default beside the file. A column fault says in words what else is wrong
    with a row, "" if nothing is, and goes.
    """
    check_choice("broken", broken, ("raise", "skip"))
    if not len(table):
        raise ValueError(f"'{file}' has no rows; give it at least one pair.")
    folders = folders or [file.parent / sub for sub in IMAGE_FOLDERS]
    paths = {name: find_image(folders, name) for name in table["image"].unique()}
    unread = {path for path in paths.values() if broken == "skip" and path and not readable(path)}
    known = table["fault"] if "fault" in table else [""] * len(table)
    faults = [fault or fault_of(name, caption, paths[name], paths[name] in unread)
              for name, caption, fault in zip(table["image"], table["caption"], known)]
    leave_out(faults, table.index, f"'{file}'", broken)
    whole = table[[not fault for fault in faults]].drop(columns="fault", errors="ignore")
    return whole.assign(image=whole["image"].map(paths))


def leave_out(faults: list[str], rows: Sequence[int], where: str, broken: str) -> None:
    """Name the rows with a fault: in an error, or in a warning that they are left out, if any rows remain."""
    named = [f"row {row}: {fault}" for row, fault in zip(rows, faults) if fault]
    if named:
        told = "; ".join(named[:20]) + (f"; and {len(named) - 20} more" if len(named) > 20 else "")
        if broken == "raise":
            raise ValueError(f"{where} has {len(named)} broken rows of {len(faults)} ({told}); "
                             'mend them or leave them out with broken="skip".')
        warnings.warn(f"{where}: {len(named)} broken rows of {len(faults)} are left out ({told}).", stacklevel=5)
    if len(named) == len(faults):
        raise ValueError(f"{where} has no row with both an image and a caption.")


def readable(path: str) -> bool:
    """Whether the picture can be decoded to its end; asked only to skip those that cannot, since it reads them all."""
    try:
        read_image(path, "")
        return True
    except ValueError:
        return False


def fault_of(name: str, caption: str, path: str | None, unread: bool = False) -> str:
    """What is wrong with a row, in words; empty if nothing is."""
    if path is None:
        return f"there is no image '{name}'"
    if unread:
        return f"the image '{name}' cannot be read"
    return "" if isinstance(caption, str) and caption.strip() else "the caption is empty"


def natural(name: str) -> list[str | int]:
    """A key to sort names by, with numbers compared as numbers: val_2 before val_10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def find_image(folders: Sequence[Path], name: str) -> str | None:
    """The absolute path of an image named in a table, in the first of the folders that has it, or None."""
    tried = (os.path.abspath(folder / str(name).strip()) for folder in folders)
    return next((path for path in tried if os.path.isfile(path)), None)


def need_columns(pairs: pd.DataFrame, *names: str) -> None:
    """Refuse what is not a table of pairs with these columns, or is empty."""
    missing = [name for name in names if name not in getattr(pairs, "columns", ())]
    if missing:
        raise ValueError(f"pairs lack the column {missing[0]!r}; pass a DataFrame of load_pairs (of 'shapes', where "
                         "exact truth is asked for; of phrase_pairs, where phrases are).")
    if not len(pairs) and "phrase" not in names:
        raise ValueError("there are no pairs; load at least one.")
