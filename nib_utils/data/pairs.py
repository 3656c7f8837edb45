"""Pairs of an image and a caption, from the drawn world or from a data set on disk, as one DataFrame."""
from __future__ import annotations

import hashlib
import warnings
from functools import partial
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ..common.checks import check_choice, check_whole
from ..common.sentences import lacks, nobody
from .coco import read_coco
from .files import check_root, natural
from .flickr8k import read_flickr8k
from .folders import read_folders
from .hub import read_hf
from .imagenet import read_imagenet
from .stream import read_shards
from .tables import read_cc, read_csv
from .world.hard_pairs import hard_pairs
from .world.pairs import shapes_pairs


def load_pairs(name: str, root: str | Path | None = None, n: int | None = None, seed: int = 0, *,
               order: str = "seeded", **options) -> pd.DataFrame:
    """A data set as a DataFrame, one row per image, with columns image, caption and what else is known.

    name: "shapes" or "shapes-hard" (drawn, need no root), "cc", "imagenet", "flickr8k", "csv", "folders", "coco",
    "shards" or "hf:NAME" (NAME on the Hugging Face hub, root its cache folder or None); its reader says its options and
    columns. image: an absolute path (str), not yet opened, or a PIL image (drawn, hf). n: how many pairs, kept in file
    order, None for all (100 of what is drawn): drawn with the seed, or, order="sorted", those whose file names come
    first, numbers compared as numbers. Raises ValueError for a name, value or file that does not fit, TypeError
    for an unknown option, FileNotFoundError for missing data.

    >>> nib.load_pairs("shapes", n=2, objects=1)["caption"].tolist()
    ['a small dotted pink triangle', 'a large dotted pink triangle']
    """
    key = "hf:NAME" if str(name).startswith("hf:") and name != "hf:" else name
    if not isinstance(key, str) or key not in READERS:
        raise ValueError(nobody("data set", name, READERS))
    read = READERS[key]
    known = [p.name for p in signature(read).parameters.values() if p.kind is p.KEYWORD_ONLY]
    strange = [option for option in options if option not in known]
    if strange:
        raise TypeError(lacks(f"the data set {name!r}", "option", strange[0], known))
    if n is not None:
        check_whole("n", n, 1)
    check_whole("seed", seed, 0)
    check_choice("order", order, ("seeded", "sorted"))
    if key in DRAWN:
        return read(100 if n is None else n, seed, **options)
    if key == "hf:NAME":
        return finish(subset(read(name.removeprefix("hf:"), root, **options), n, seed, order))
    return finish(subset(read(check_root(root, name), **options), n, seed, order))


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


DRAWN = ("shapes", "shapes-hard")
READERS = {"shapes": shapes_pairs, "shapes-hard": hard_pairs, "cc": read_cc, "imagenet": read_imagenet,
           "flickr8k": read_flickr8k, "csv": read_csv, "folders": read_folders, "coco": read_coco,
           "shards": read_shards, "hf:NAME": read_hf}


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
