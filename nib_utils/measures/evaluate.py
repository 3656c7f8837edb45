"""Run a method over many pairs and measure it; what is done is kept, so an interrupted run goes on."""
from __future__ import annotations

import time
import warnings
from collections import Counter
from numbers import Integral
from pathlib import Path

import pandas as pd

from ..clip.clip import Clip
from ..common.checks import check_whole, need_columns
from ..common.progress import progress
from ..maps.explain import explain, warn_blank
from ..maps.options import check_request, check_seed, per_tower
from . import cache as kept
from .confidence import PROTOCOLS, confidence


def evaluate(clip: Clip, pairs: pd.DataFrame, method: str, *, seed: int = 0, chunk: int = 40,
             cache: str | Path | None = None, truncate: bool = False, image_options: dict | None = None,
             text_options: dict | None = None, **options) -> pd.DataFrame:
    """Explain every pair and measure its maps under both protocols: a row per pair.

    Columns `<protocol>_<metric>` as of `confidence`, similarity, and explain_seconds (the time of the pair's
    chunk, shared equally). Memory does not grow with the number of pairs: `chunk` of them are in work at a
    time. cache: a folder; finished chunks are kept there and taken up again by the same call.

    >>> nib.evaluate(clip, nib.load_pairs("shapes", n=100), "nib").mean()
    """
    need_columns(pairs, "image", "caption")
    check_whole("chunk", chunk, 1)
    asked = per_tower(options, image_options, text_options)
    own = dict(image_options=image_options or {}, text_options=text_options or {})
    function = check_request(clip, method, asked)
    check_seed("seed", seed)
    work = (clip, pairs, method, options | own, seed, truncate)
    file = None if cache is None else Path(cache) / f"{kept.fingerprint(*work)}.csv"
    ids = clip.ids(list(pairs.caption), truncate)  # all of them first, so that what is wrong with one is said now
    done = pd.DataFrame() if file is None else kept.read(file)
    blank, new = Counter(), len(pairs) - len(done)
    with progress(len(pairs), method, done=len(done)) as bar:
        for first in range(len(done), len(pairs), chunk):
            part = pairs.iloc[first : first + chunk]
            start = time.perf_counter()
            pixels, captions = clip.pixels(list(part.image), first), ids[first : first + chunk]  # read once for all
            chance = {"seed": seed} if function.about.noise else {}
            here = {name: from_row(chance | given, first, len(part)) for name, given in own.items()}
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", f"{method} finds nothing")  # said once, for all chunks, below
                ex = explain(clip, pixels, captions, method, progress=False, **here, **options)
                seconds = (time.perf_counter() - start) / len(part)
                columns = [confidence(clip, ex, protocol).add_prefix(f"{protocol}_") for protocol in PROTOCOLS]
            blank.update(ex.blank)
            rows = pd.concat([*columns, pd.DataFrame({"similarity": ex.similarity.double().numpy()})], axis=1)
            rows["explain_seconds"] = seconds
            done = pd.concat([done, rows], ignore_index=True)
            if file is not None:
                kept.write(file, done)
            bar.update(len(part))
    warn_blank(clip, method, asked, blank, new)
    return done


def from_row(options: dict, first: int, count: int) -> dict:
    """The options for `count` pairs from row `first` on: pair i has seed + i, however many are in work at a time."""
    seed = options.get("seed")
    if seed is None:
        return options
    return options | {"seed": seed + first if isinstance(seed, Integral) else list(seed)[first : first + count]}
