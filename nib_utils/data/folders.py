"""Pictures in a folder per class, captioned with the class's names."""
from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import pandas as pd

from ..common.checks import brief, check_choice, check_whole
from .files import HOW_TO_GET, SUFFIXES, check_root, check_rows, natural, read_lines

WORDS = ("words.txt", "LOC_synset_mapping.txt")  # wnid and names, a tab or a space between them
CONTAINERS = {"image", "images", "img", "imgs", "jpg", "jpegs", "picture", "pictures", "photo", "photos", "data",
              "dataset", "train", "training", "val", "valid", "validation", "test", "testing"}  # names of no class


def read_folders(root: Path, *, per_class: int | None = None, names: str = "all", words: str | Path | None = None,
                 broken: str = "raise") -> pd.DataFrame:
    """Pictures in a folder per class, root/CLASS/**/*.JPEG: the first `per_class` of each by name, or all (None).

    CLASS: a name ("tabby_cat"), or a wnid that words.txt or LOC_synset_mapping.txt spells out; words: that file,
    by default in root or one or two folders above. caption: as for `read_imagenet`; columns folder and label (the
    place of the class in sorted order). broken: as for `read_csv`, rows counted in sorted order.

    >>> nib.load_pairs("folders", "imagenet/val", per_class=5, names="first")
    """
    check_root(root, "folders", folder=True)
    if per_class is not None:
        check_whole("per_class", per_class, 1)
    check_choice("names", names, ("all", "first"))
    inside = [folder.name for folder in root.glob("[!.]*") if folder.is_dir()]
    files = {folder: found for folder in sorted(inside, key=natural) if (found := pictures(root / folder))}
    if not files:
        raise FileNotFoundError(f"folders: '{root}' has no folder with pictures in it; {HOW_TO_GET['folders']}.")
    check_classes(root, files)
    called = class_names(root, list(files), words)
    rows = [(f"{folder}/{file}", photo_of(called[folder], names), folder, label)
            for label, (folder, found) in enumerate(files.items()) for file in found]
    table = pd.DataFrame(rows, columns=["image", "caption", "folder", "label"], index=range(1, len(rows) + 1))
    if per_class is not None:
        table = table.groupby("label").head(per_class)
        warn_short(table["label"], per_class, len(files))
    return check_rows(table, root, broken, [root])


def check_classes(root: Path, files: dict[str, list[str]]) -> None:
    """Refuse a root beside or above the folders of the classes, whose captions would name what is no class."""
    if all(folder.lower() in CONTAINERS for folder in files):
        raise ValueError(f"folders: the folders with pictures in '{root}' are {', '.join(map(repr, files))}, which "
                         "name no class; pass as root the folder that holds a folder for each class.")
    (only, found), *others = files.items()
    deeper = sorted({file.split("/")[0] for file in found if "/" in file})
    if not others and len(deeper) > 1 and all("/" in file for file in found):
        raise ValueError(f"folders: all pictures of '{root}' lie in folders of its only folder '{only}', "
                         f"{deeper[0]!r}, {deeper[1]!r}{', ...' if len(deeper) > 2 else ''}; if these are the classes, "
                         f"pass '{root / only}' as root.")


def pictures(folder: Path) -> list[str]:
    """The pictures in a folder and the folders in it, relative to it, sorted with numbers compared as numbers."""
    found = (file.relative_to(folder).as_posix() for file in folder.rglob("*")
             if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted(found, key=natural)


def class_names(root: Path, folders: list[str], words: str | Path | None) -> dict[str, str]:
    """What each folder's class is called: by the file of words, else the folder's name, which must not be a wnid."""
    if words is not None and not (isinstance(words, (str, Path)) and os.path.isfile(words)):
        raise FileNotFoundError(f"folders: there is no file {brief(str(words))}; words names a file of lines 'wnid "
                                "names'.")
    near = [folder / name for folder in (root, *root.resolve().parents[:2]) for name in WORDS]
    file = words or next((file for file in near if file.is_file()), None)
    lines = [] if file is None else read_lines(Path(file))
    known = dict(line.split(maxsplit=1) for line in lines if len(line.split()) > 1)
    unnamed = [folder for folder in folders if folder not in known and re.fullmatch(r"n\d{8}", folder)]
    if unnamed:
        raise ValueError(f"folders: '{unnamed[0]}' in '{root}' is a wnid, but no file says its name; put words.txt or "
                         "LOC_synset_mapping.txt there, or pass words=FILE with lines 'wnid names'.")
    return {folder: known.get(folder, folder.replace("_", " ")).strip() for folder in folders}


def photo_of(synonyms: str, names: str) -> str:
    """The caption of a class, with all its names or the first one only."""
    return "a photo of a " + (synonyms if names == "all" else synonyms.split(",")[0])


def warn_short(labels: pd.Series, per_class: int, classes: int) -> None:
    short = int((labels.value_counts() < per_class).sum())
    if short:
        warnings.warn(f"{short} of {classes} classes have fewer than {per_class} images; all they have is used.",
                      stacklevel=4)
