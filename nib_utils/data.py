"""Pairs of an image and a caption, from the drawn world or from a data set on disk, as one DataFrame."""
from __future__ import annotations

import hashlib
import warnings
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import torch.nn.functional as F
from PIL import Image

from .data_files import (
    HOW_TO_GET,
    check_choice,
    check_rows,
    check_whole,
    pick_file,
    read_candidates,
    read_lines,
    read_table,
)
from .shapes_pairs import shapes_pairs


def load_pairs(name: str, root: str | Path | None = None, n: int | None = None, seed: int = 0,
               **options) -> pd.DataFrame:
    """A data set as a DataFrame, one row per image, with columns image, caption and what else is known.

    name: "shapes" (drawn, needs no root), "cc", "imagenet", "flickr8k" or "csv"; its reader below says its
    options and columns. image: a PIL image (shapes) or an absolute path (str), not yet opened. n: how many
    pairs, drawn with the seed and kept in file order; None: all (100 of shapes). Raises ValueError for a
    name, value or file that does not fit, TypeError for an unknown option, FileNotFoundError for missing data.

    >>> nib.load_pairs("shapes", n=2, objects=1)["caption"].tolist()
    ['a small dotted pink triangle', 'a large dotted pink triangle']
    """
    if name not in READERS:
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(READERS)}.")
    known = [p.name for p in signature(READERS[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise TypeError(f"the data set {name!r} has no option {unknown[0]!r}; it takes {', '.join(known)}.")
    if n is not None:
        check_whole("n", n, 1)
    check_whole("seed", seed, 0)
    if name == "shapes":
        return shapes_pairs(100 if n is None else n, seed, **options)
    if root is None:
        raise FileNotFoundError(f"{name}: no root was given, so there is nowhere to look; {HOW_TO_GET[name]}.")
    if not Path(root).exists():
        raise FileNotFoundError(f"{name}: there is no file or folder '{root}'; {HOW_TO_GET[name]}.")
    return subset(READERS[name](Path(root), **options), n, seed)


def subset(pairs: pd.DataFrame, n: int | None, seed: int) -> pd.DataFrame:
    """`n` rows drawn without replacement, in their old order; a smaller n with the same seed draws from them."""
    if n is None or n >= len(pairs):
        if n is not None and n > len(pairs):
            warnings.warn(f"{n} pairs were asked for but there are {len(pairs)}; all are used.", stacklevel=3)
        return pairs.reset_index(drop=True)
    keep = np.sort(np.random.default_rng(seed).permutation(len(pairs))[:n])
    return pairs.iloc[keep].reset_index(drop=True)


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


def read_flickr8k(root: Path, *, broken: str = "raise") -> pd.DataFrame:
    """Flickr8k, one row per image: captions (list of str, usually five) and caption, the first of them.

    root: the folder of captions.csv, en_val.json or Flickr8k.token.txt, or such a file. broken: as for
    `read_csv`. `pick_captions` chooses another caption.

    >>> nib.load_pairs("flickr8k", "flickr8k", n=50).captions[0]
    """
    files = ("captions.csv", "en_val.json", "Flickr8k.token.txt", "*token*.txt", "captions.txt")
    file = pick_file(root, files, "flickr8k")
    table = check_rows(read_candidates(file), file, broken)
    captions = table.groupby("image", sort=False)["caption"].agg(list).rename("captions").reset_index()
    captions.insert(1, "caption", captions["captions"].str[0])
    return captions


def read_imagenet(root: Path, *, per_class: int = 5, names: str = "all", broken: str = "raise") -> pd.DataFrame:
    """Tiny-ImageNet-200 val: the `per_class` lowest-numbered images of each class, in the order of wnids.txt.

    caption: "a photo of a " and the class's synonyms, names="all" or "first"; columns wnid, label (place in
    wnids.txt, 0..199) and box (x0, y0, x1, y1), pixels of the 64 x 64 picture. The published subset followed
    the directory order of one machine and cannot be had again.

    >>> nib.load_pairs("imagenet", "tiny-imagenet-200", per_class=1, names="first")
    """
    check_whole("per_class", per_class, 1)
    check_choice("names", names, ("all", "first"))
    file = root / "val" / "val_annotations.txt"
    for needed in (root / "wnids.txt", root / "words.txt", file):
        if not needed.is_file():
            raise FileNotFoundError(f"imagenet: there is no file '{needed}'; {HOW_TO_GET['imagenet']}.")
    wnids = read_lines(root / "wnids.txt")
    words = dict(line.split("\t", 1) for line in read_lines(root / "words.txt") if "\t" in line)
    corners = ["x0", "y0", "x1", "y1"]
    table = pd.read_csv(file, sep="\t", header=None, names=["image", "wnid", *corners], index_col=False)
    table.index += 1  # as lines are counted
    table["label"] = table["wnid"].map({wnid: i for i, wnid in enumerate(wnids) if wnid in words})
    table["number"] = table["image"].str.extract(r"(\d+)", expand=False).astype(float)
    strange = table.isna().any(axis=1)
    if strange.any():
        raise ValueError(f"row {strange.idxmax()} of '{file}' is not a numbered image, a class of wnids.txt and of "
                         "words.txt, and four corners, separated by tabs; unpack the data set again.")
    table = table.sort_values(["label", "number"]).groupby("label").head(per_class).astype({"label": int})
    short = int((table["label"].value_counts() < per_class).sum())
    if short:
        warnings.warn(f"{short} of {len(wnids)} classes have fewer than {per_class} images; all they have is used.",
                      stacklevel=3)
    called = [words[wnid] if names == "all" else words[wnid].split(",")[0] for wnid in table["wnid"]]
    table["caption"] = ["a photo of a " + name for name in called]
    table["box"] = list(table[corners].itertuples(index=False, name=None))
    return check_rows(table, file, broken)[["image", "caption", "wnid", "label", "box"]]


READERS = {"shapes": shapes_pairs, "cc": read_cc, "imagenet": read_imagenet, "flickr8k": read_flickr8k, "csv": read_csv}


def pick_captions(clip, pairs: pd.DataFrame, rule: str = "own", batch_size: int = 32) -> pd.DataFrame:
    """The pairs with `caption` chosen anew among each row's `captions`, by cosine similarity.

    rule: "own", the one its own image likes best; "first"; or "released", the one that the first image of
    its batch likes best, as the released code does by mistake, with consecutive batches of 32. Raises
    ValueError for pairs without a column captions.

    >>> pairs = nib.pick_captions(clip, nib.load_pairs("flickr8k", root))
    """
    check_choice("rule", rule, ("own", "first", "released"))
    check_whole("batch_size", batch_size, 1)
    if "captions" not in pairs:
        raise ValueError(f"the pairs have no column captions to pick from, only {', '.join(map(str, pairs.columns))}.")
    chosen = []
    for start in range(0, len(pairs), batch_size):
        part = pairs.iloc[start : start + batch_size]
        chosen += liked_best(clip, list(part["image"]), list(part["captions"]), rule)
    return pairs.assign(caption=chosen)


def liked_best(clip, images: list, captions: list[list[str]], rule: str) -> list[str]:
    """One batch's choice: a caption out of each list."""
    if rule == "first":
        return [candidates[0] for candidates in captions]
    judges = images[:1] if rule == "released" else images
    u = F.normalize(clip.encode_image(judges).float(), dim=-1).expand(len(images), -1)  # (B, E)
    v = F.normalize(clip.encode_text(sum(captions, [])).float(), dim=-1)  # (N, E), N captions in all
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
