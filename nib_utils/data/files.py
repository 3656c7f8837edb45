"""The files of a data set on disk: found, read and checked, or one clear sentence about what is wrong."""
from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..clip.pictures import read_image
from ..common.checks import brief, check_choice
from ..common.packages import first_line

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")  # what a picture's name may end in
IMAGE_FOLDERS = ("", "images", "Images", "Flicker8k_Dataset")  # where a table's pictures may lie, beside it
HOW_TO_GET = {
    "cc": "Conceptual Captions (https://ai.google.com/research/ConceptualCaptions) is published as links: "
          "docs/large.md says how img2dataset fetches them into shards, which 'shards' reads; or list your own "
          "pictures in cc.csv with the columns file_path and caption",
    "imagenet": "Tiny-ImageNet-200 (http://cs231n.stanford.edu/tiny-imagenet-200.zip) unpacks to a folder with "
                "wnids.txt, words.txt, val/val_annotations.txt and val/images/; a folder per class is 'folders'",
    "folders": "a folder of pictures like ImageNet's holds a folder per class, named by the class or its wnid",
    "flickr8k": "Flickr8k (https://hockenmaier.cs.illinois.edu/8k-pictures.html) is a folder images/ beside "
                "captions.csv (image, caption; a row per caption), en_val.json, dataset_flickr8k.json or "
                "Flickr8k.token.txt",
    "coco": "COCO (https://cocodataset.org/#download) is a folder annotations/ with captions_val2017.json and "
            "instances_val2017.json beside the pictures in val2017/ or images/",
    "shards": "shards are .tar files as img2dataset writes them, NAME.jpg beside NAME.txt, or .parquet files with "
              "columns image (bytes) and caption",
    "csv": "a CSV of your own has the columns image and caption, image paths relative to its folder",
}


def check_root(root: str | Path | None, name: str, folder: bool = False) -> Path:
    """A path that is there, and a folder where one is needed; or how to get the data set."""
    if root is None:
        raise FileNotFoundError(f"{name}: no root was given, so there is nowhere to look; {HOW_TO_GET[name]}.")
    if not isinstance(root, (str, Path)) or not str(root).strip():
        raise TypeError(f"{name}: root is {brief(root)}; pass the path of a file or a folder.")
    if not os.path.exists(root):  # False, too, of a path that is too long or holds a zero
        raise FileNotFoundError(f"{name}: there is no file or folder {brief(str(root))}; {HOW_TO_GET[name]}.")
    if folder and not os.path.isdir(root):
        raise ValueError(f"{name}: '{root}' is a file; pass the folder of the data set ({HOW_TO_GET[name]}).")
    if not os.access(root, os.R_OK):
        raise ValueError(f"{name}: '{root}' may not be read; change its permissions, or copy it.")
    return Path(root)


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


def read_lines(file: Path) -> list[str]:
    return read_text(file).splitlines()


def read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"'{file}' cannot be read ({first_line(error)}); mend or replace it.") from None
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
        return f"there is no image {brief(name)}"
    if unread:
        return f"the image '{name}' cannot be read"
    if caption is None or (isinstance(caption, float) and caption != caption):  # what JSON's null and [] become
        return "the caption is empty"
    if not isinstance(caption, str):
        return f"the caption is {brief(caption)}, not text"
    return "" if caption.strip() else "the caption is empty"


def natural(name: str) -> list[str | int]:
    """A key to sort names by, with numbers compared as numbers: val_2 before val_10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def find_image(folders: Sequence[Path], name: str) -> str | None:
    """The absolute path of an image named in a table, in the first of the folders that has it, or None."""
    tried = (os.path.abspath(folder / str(name).strip()) for folder in folders)
    return next((path for path in tried if os.path.isfile(path)), None)
