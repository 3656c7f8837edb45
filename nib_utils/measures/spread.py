"""One evaluation spread over processes or machines: whole chunks of pairs each, and the rows of one process."""
from __future__ import annotations

from functools import lru_cache

import pandas as pd

from ..clip.clip import Clip
from ..common import engines
from ..common.checks import check_whole
from ..loading.load import load_clip
from .evaluate import counted, evaluate, from_row


def evaluate_spread(model: str, pairs: pd.DataFrame, method: str, *, engine: str = "processes", workers: int = 2,
                    seed: int = 0, chunk: int = 40, image_options: dict | None = None,
                    text_options: dict | None = None, **options) -> pd.DataFrame:
    """`evaluate` by several workers, each with a CLIP that it loads once: a row per pair, in their order.

    model: a name or path for `load_clip`. engine: "processes", "ray", "dask" or "submitit", see `common.engines`. All
    else as `evaluate` takes it; the rows are the same to the bit where a worker has as many threads as the one process,
    since seeds are of pairs and chunks are not cut. cache: kept by shard, and taken up by the same call. Raises what
    `evaluate` raises, and RuntimeError or the like of an engine whose worker is gone.

    >>> nib.evaluate_spread("mini", nib.load_pairs("shapes", n=400), "nib", engine="ray", workers=4).mean()
    """
    check_whole("chunk", chunk, 1)
    own = {"image_options": image_options or {}, "text_options": text_options or {}}
    parts = []
    with engines.engine(engine, workers) as submit:
        running = []
        for first, last in spans(len(pairs), chunk, workers):
            here = {name: from_row(given, first, last - first) for name, given in own.items()}
            running.append((first, last, submit(shard, model, pairs.iloc[first:last], method,
                                                options | here | {"seed": seed + first, "chunk": chunk})))
        for first, last, future in running:
            with counted(first, last):
                parts.append(future.result())
    return pd.concat(parts, ignore_index=True)


def spans(n: int, chunk: int, workers: int) -> list[tuple[int, int]]:
    """Where each worker's pairs begin and end: whole chunks, as many for each as can be; one span where n is 0.

    >>> spans(100, 40, 2)
    [(0, 80), (80, 100)]
    """
    chunks = -(-n // chunk)
    size = chunk * max(1, -(-chunks // workers))
    return [(first, min(first + size, n)) for first in range(0, max(n, 1), size)]


def shard(model: str, pairs: pd.DataFrame, method: str, options: dict) -> pd.DataFrame:
    return evaluate(clip_of(model), pairs, method, **options)


@lru_cache(maxsize=1)
def clip_of(model: str) -> Clip:
    """The CLIP of this process, loaded when its first shard comes."""
    return load_clip(model)
