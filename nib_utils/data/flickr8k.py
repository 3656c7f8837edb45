"""Flickr8k, in each of the three forms in which it is handed around."""
from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..common.checks import check_choice
from .files import check_rows, pick_file, read_lines
from .tables import read_candidates


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
