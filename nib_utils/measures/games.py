"""Shapley values of many pairs, made once and kept: the table that methods are held against."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..clip.captions import pad
from ..clip.clip import Clip
from ..common.checks import check_seed, check_whole, need_columns
from ..common.progress import progress
from ..methods.shapley import estimates
from . import cache as kept
from .localization import phrase_pairs


def shapley_table(clip: Clip, pairs: pd.DataFrame, *, samples: int | None = None, seed: int = 0,
                  cache: str | Path | None = None) -> pd.DataFrame:
    """Shapley values of every patch and word of every pair (columns image, caption): a row per value.

    samples, seed: those of the method `shapley`; cache: a folder, in which finished pairs are kept and taken up again
    by the same call. Columns pair; kind, "image" or "text"; place, of the patch or the word, from 0; value, in cosine
    units; first and second, what each half of the samples says. Raises ValueError for too few samples.

    >>> shapley_table(clip, nib.load_pairs("shapes", n=100)).groupby(["kind", "pair"])["value"].sum()
    """
    need_columns(pairs, "image", "caption")
    check_seed("seed", seed)
    if samples is not None:
        check_whole("samples", samples, 1)  # how many each game needs, it says itself
    file = None
    if cache is not None:
        file = Path(cache) / f"{kept.fingerprint(clip, pairs, 'shapley', {'samples': samples}, seed)}.csv"
    ids, done = clip.ids(list(pairs.caption)), pd.DataFrame() if file is None else kept.read(file)
    first = done["pair"].nunique() if len(done) else 0
    with progress(len(pairs), "shapley", done=first) as bar:
        for i in range(first, len(pairs)):
            image, text = clip.image.read(clip.pixels([pairs.image.iloc[i]])), clip.text.read(pad(ids[i : i + 1]))
            for tower, reading, other in ((clip.image, image, text), (clip.text, text, image)):
                found, = estimates(tower, reading, other.feature, samples, seed + i)
                columns = dict(zip(("value", "first", "second"), torch.stack([found.values, *found.halves]).numpy()))
                rows = pd.DataFrame({"pair": i, "kind": tower.kind, "place": range(len(found.values)), **columns})
                done = pd.concat([done, rows], ignore_index=True)
            if file is not None:
                kept.write(file, done)
            bar.update()
    return done


def split_halves(values: pd.DataFrame, by: tuple[str, ...] = ("kind", "pair")) -> pd.DataFrame:
    """How sure the values of a `shapley_table` are: a row per kind and pair, from its two halves.

    Columns error, the standard error of a value in cosine units, half the root mean square difference of the halves,
    since each has twice the variance of the whole; correlation, Pearson's r of the halves; reliability, that of the
    whole with another as large, `2 r / (1 + r)` (Spearman, 1910; Brown, 1910); all exact where every coalition was
    tried.

    >>> split_halves(values).groupby("kind").median()
    """
    rows = {}
    for name, game in values.groupby(list(by), sort=False):
        a, b = game["first"].to_numpy(), game["second"].to_numpy()
        r = 1.0 if np.array_equal(a, b) else float(np.corrcoef(a, b)[0, 1])
        rows[name] = {"error": np.sqrt(np.mean((a - b) ** 2)) / 2, "correlation": r, "reliability": 2 * r / (1 + r)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(list(by))


def one_phrase_each(pairs: pd.DataFrame) -> pd.DataFrame:
    """One named object of every scene of at least two, its phrase as the caption; the first, the second, in turn.

    Columns as of `phrase_pairs`, with caption for phrase, so that pairs are scenes and independent of each other.

    >>> one_phrase_each(nib.load_pairs("shapes", n=200, seed=1)).head(100)
    """
    phrases = phrase_pairs(pairs)
    chosen = phrases.groupby("scene").cumcount() == phrases["scene"] % phrases["objects"]
    return phrases[chosen].rename(columns={"phrase": "caption"}).reset_index(drop=True)
