"""Pairs of an image and a caption, from the drawn world or from a data set on disk, as one DataFrame."""
from __future__ import annotations

import hashlib
import warnings
from functools import partial
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import torch.nn.functional as F
from PIL import Image

from .coco import read_coco
from .data_files import (
    HOW_TO_GET,
    check_choice,
    check_rows,
    check_whole,
    natural,
    pick_file,
    read_candidates,
    read_lines,
    read_table,
)
from .hf_pairs import read_hf
from .imagenet import read_folders, read_imagenet
from .shapes_pairs import shapes_pairs


def load_pairs(name: str, root: str | Path | None = None, n: int | None = None, seed: int = 0, *,
               order: str = "seeded", **options) -> pd.DataFrame:
    """A data set as a DataFrame, one row per image, with columns image, caption and what else is known.

    name: "shapes" (drawn, needs no root), "cc", "imagenet", "flickr8k", "csv", "folders", "coco" or "hf:NAME"
    (NAME on the Hugging Face hub, root its cache folder or None); its reader says its options and columns.
    image: an absolute path (str), not yet opened, or a PIL image (shapes, hf). n: how many pairs, kept in file
    order, None for all (100 of shapes): drawn with the seed, or, order="sorted", those whose file names come
    first, numbers compared as numbers. Raises ValueError for a name, value or file that does not fit, TypeError
    for an unknown option, FileNotFoundError for missing data.

    >>> nib.load_pairs("shapes", n=2, objects=1)["caption"].tolist()
    ['a small dotted pink triangle', 'a large dotted pink triangle']
    """
    key = "hf:NAME" if str(name).startswith("hf:") and name != "hf:" else name
    if key not in READERS:
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(READERS)}.")
    read = READERS[key]
    known = [p.name for p in signature(read).parameters.values() if p.kind is p.KEYWORD_ONLY]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise TypeError(f"the data set {name!r} has no option {unknown[0]!r}; it takes {', '.join(known)}.")
    if n is not None:
        check_whole("n", n, 1)
    check_whole("seed", seed, 0)
    check_choice("order", order, ("seeded", "sorted"))
    if key == "shapes":
        return shapes_pairs(100 if n is None else n, seed, **options)
    if key == "hf:NAME":
        return finish(subset(read(name.removeprefix("hf:"), root, **options), n, seed, order))
    if root is None:
        raise FileNotFoundError(f"{name}: no root was given, so there is nowhere to look; {HOW_TO_GET[name]}.")
    if not Path(root).exists():
        raise FileNotFoundError(f"{name}: there is no file or folder '{root}'; {HOW_TO_GET[name]}.")
    return finish(subset(read(Path(root), **options), n, seed, order))


def subset(pairs: pd.DataFrame, n: int | None, seed: int, order: str = "seeded") -> pd.DataFrame:
    """`n` rows, in their old order: drawn without replacement, or of the first names; a smaller n takes from them."""
    if n is None or n >= len(pairs):
        if n is not None and n > len(pairs):
            warnings.warn(f"{n} pairs were asked for but there are {len(pairs)}; all are used.", stacklevel=3)
        return pairs.reset_index(drop=True)
    if order == "seeded":
        ranked = np.random.default_rng(seed).permutation(len(pairs))
    else:
        names = [natural(image) if isinstance(image, str) else [] for image in pairs["image"]]
        ranked = np.array(sorted(range(len(pairs)), key=names.__getitem__))
    return pairs.iloc[np.sort(ranked[:n])].reset_index(drop=True)


def finish(pairs: pd.DataFrame) -> pd.DataFrame:
    """What a reader put off (as a `partial`) until it was known which rows are wanted: masks, remote pictures."""
    for column in pairs:
        if len(pairs) and isinstance(pairs[column].iloc[0], partial):
            pairs[column] = pd.Series([later() for later in pairs[column]], index=pairs.index, dtype=object)
    return pairs


def read_csv(root: Path, *, broken: str = "raise") -> pd.DataFrame:
    """A CSV or TSV with columns image (or file_path) and caption; other columns are kept.

    root: the file, or a folder with exactly one *.csv. broken: "raise" or "skip" rows whose image is missing
    or caption empty, counting the header as row 1. Raises ValueError for a file that cannot be used.

    >>> nib.load_pairs("csv", "my/pairs.csv", broken="skip")
    """
    file = pick_file(root, ("*.csv",), "csv")
    return check_rows(read_table(file), file, broken)


def read_cc(root: Path, *, broken: str = "raise") -> pd.DataFrame:
    """Conceptual Captions as you downloaded it: a folder with cc.csv, or one *.csv or *.tsv, as for `read_csv`.

    >>> nib.load_pairs("cc", "conceptual-captions", n=50)
    """
    file = pick_file(root, ("cc.csv", "*.csv", "*.tsv"), "cc")
    return check_rows(read_table(file), file, broken)


def read_flickr8k(root: Path, *, broken: str = "raise", split: str | None = None) -> pd.DataFrame:
    """Flickr8k, one row per image: captions (list of str, usually five) and caption, the first of them.

    root: the folder of captions.csv, en_val.json, Flickr8k.token.txt or Karpathy's dataset_flickr8k.json, or
    such a file. broken: as for `read_csv`. split: "train", "val" or "test", where Karpathy's file or the lists
    Flickr_8k.testImages.txt (train, dev) beside the captions say it. `pick_captions` chooses another caption.

    >>> nib.load_pairs("flickr8k", "flickr8k", n=50).captions[0]
    """
    check_choice("split", split, (None, *LISTS))
    files = ("dataset_flickr8k.json", "captions.csv", "en_val.json", "Flickr8k.token.txt", "*token*.txt",
             "captions.txt")
    file = pick_file(root, files if split else (*files[1:], files[0]), "flickr8k")
    table = read_candidates(file)
    table = check_rows(table if split is None else of_split(table, file, split), file, broken)
    captions = table.groupby("image", sort=False)["caption"].agg(list).rename("captions").reset_index()
    captions.insert(1, "caption", captions["captions"].str[0])
    return captions


LISTS = {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt", "test": "Flickr_8k.testImages.txt"}


def of_split(table: pd.DataFrame, file: Path, split: str) -> pd.DataFrame:
    """The rows of one split of Flickr8k, by the file's own column split or by the list beside it."""
    if "split" in table:
        return table[table["split"] == split]
    names = file.parent / LISTS[split]
    if not names.is_file():
        raise FileNotFoundError(f"flickr8k: '{file.name}' does not say what is {split!r} and there is no file "
                                f"'{names}'; put it there, or pass Karpathy's dataset_flickr8k.json as root.")
    return table[table["image"].isin(read_lines(names))]


READERS = {"shapes": shapes_pairs, "cc": read_cc, "imagenet": read_imagenet, "flickr8k": read_flickr8k, "csv": read_csv,
           "folders": read_folders, "coco": read_coco, "hf:NAME": read_hf}


def pick_captions(clip, pairs: pd.DataFrame, rule: str = "own", batch_size: int = 32, *,
                  truncate: bool = False) -> pd.DataFrame:
    """The pairs with `caption` chosen anew among each row's `captions`, by cosine similarity.

    rule: "own", the one its own image likes best; "first"; or "released", a defect of the released code that is
    needed only to reproduce its numbers: the first image of each batch of `batch_size` consecutive pairs
    chooses for all of them, so that most captions are picked by a stranger's picture. truncate: judge captions
    that are too long by their beginning, as `explain` with truncate does. Raises ValueError for pairs without a
    column captions.

    >>> pairs = nib.pick_captions(clip, nib.load_pairs("flickr8k", root))
    """
    check_choice("rule", rule, ("own", "first", "released"))
    check_whole("batch_size", batch_size, 1)
    if "captions" not in pairs:
        raise ValueError(f"the pairs have no column captions to pick from, only {', '.join(map(str, pairs.columns))}.")
    chosen = []
    for start in range(0, len(pairs), batch_size):
        part = pairs.iloc[start : start + batch_size]
        chosen += liked_best(clip, list(part["image"]), list(part["captions"]), rule, truncate)
    return pairs.assign(caption=chosen)


def liked_best(clip, images: list, captions: list[list[str]], rule: str, truncate: bool = False) -> list[str]:
    """One batch's choice: a caption out of each list."""
    if rule == "first":
        return [candidates[0] for candidates in captions]
    judges = images[:1] if rule == "released" else images
    u = F.normalize(clip.encode_image(judges).float(), dim=-1).expand(len(images), -1)  # (B, E)
    v = F.normalize(clip.encode_text(sum(captions, []), truncate=truncate).float(), dim=-1)  # (N, E), N captions in all
    groups = v.split([len(candidates) for candidates in captions])
    return [candidates[int((group @ x).argmax())] for candidates, group, x in zip(captions, groups, u)]


def manifest(pairs: pd.DataFrame) -> str:
    """The SHA-256 of the pairs in order, hex: captions with image file names, or with the pixels of PIL images.

    >>> nib.manifest(nib.load_pairs("csv", "my/pairs.csv"))[:8]
    """
    digest = hashlib.sha256()
    for image, caption in zip(pairs["image"], pairs["caption"]):
        is_picture = isinstance(image, Image.Image)
        content = f"{image.mode} {image.size} ".encode() + image.tobytes() if is_picture else Path(image).name.encode()
        digest.update(content + b"\0" + caption.encode() + b"\0")
    return digest.hexdigest()
