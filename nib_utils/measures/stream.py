"""Run a method over a data set of any size and measure it: in parts, which an interrupted run adds to."""
from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pandas as pd
import psutil
import torch
from PIL import Image

from ..clip.clip import Clip
from ..common.checks import brief, check_choice, check_whole, one_or_several
from ..common.digests import code
from ..common.memory import give_back
from ..common.progress import progress
from ..data.shards import Sample
from ..data.stream import Drawn, Stream, decoded, open_stream
from ..maps.explain import explain, warn_blank
from ..maps.options import check_request, per_tower
from .cache import weights
from .confidence import PROTOCOLS
from .evaluate import measured
from .parts import BASE, Parts

ALWAYS = ("published", "corrected", "gain")  # measures that ask no more of a pair than its picture and caption
AFTER = ("apps", "studies", "tables")  # rooms whose code comes after the measuring
READERS = 2  # threads that decode the pictures of the next chunk while the model is at work on one


def evaluate_stream(clip: Clip, stream: Stream | str | Path, method: str, folder: str | Path, *, n: int | None = None,
                    seed: int = 0, chunk: int = 40, part: int = 1000, truncate: bool = False,
                    measures: Sequence[str] = PROTOCOLS, about: dict | None = None, **options) -> Path:
    """Explain and measure every pair of a stream, as `evaluate` does, into Parquet files of `part` pairs each.

    stream: of `open_stream`, or its source. folder: of parts/, which `pandas.read_parquet` reads and `merged` adds up;
    refused.csv, the pairs that are none, with shard, key and reason, which stop nothing; manifest.json, of the work,
    with what `about` tells. n: the first n pairs, refused ones included, None for all; drawn ones need it. Pair i gets
    seed + i. `chunk` pairs are in work at a time, a divisor of `part`. The same call goes on at the chunk where it was
    interrupted, or at the part, where it was killed, and comes to the same rows, bit by bit; with a larger n it goes on
    from the old end. Memory does not grow. Needs pyarrow. Returns the folder. Raises ValueError for a folder of other
    work or one in use.

    >>> folder = nib.evaluate_stream(clip, "cc/{00000..00331}.tar", "nib_held", "out")
    >>> nib.merged(folder)
    """
    for name, value, least in (("chunk", chunk, 1), ("part", part, 1), ("seed", seed, 0)):
        check_whole(name, value, least)
    if n is not None:
        check_whole("n", n, 1)
    if part % chunk:
        raise ValueError(f"part is {part} and chunk {chunk}; pass a part that is a multiple of the chunk.")
    work = Work(clip, method, options, check_streamed(measures), seed, truncate)
    stream = stream if isinstance(stream, Stream) else open_stream(stream, seed=seed)
    if n is None and isinstance(stream, Drawn):
        raise ValueError(f"{stream.name} never ends; say how many pairs to measure with n.")
    work.try_out()
    parts = Parts(folder)
    with parts.alone():
        parts.agree(work.described() | {"stream": described(stream), "chunk": chunk}, stream.shards, about or {})
        try:
            run(work, stream, parts, n, chunk, part)
        finally:
            parts.list_refused()
    return parts.folder


def run(work: Work, stream: Stream, parts: Parts, n: int | None, chunk: int, part: int) -> None:
    """Add to the parts from where they end; what is done of the last one is kept, whatever interrupts it."""
    done, shard, row = parts.end()
    before, start, rows = done, time.perf_counter(), []  # (rows, number of the shard, next row in it) of each chunk

    def keep() -> None:
        nonlocal rows, start
        give_back()
        frames, shards, places = zip(*rows)
        told = {"shard": shards[-1], "row": places[-1], "seconds": round(time.perf_counter() - start, 3),
                "memory": round(psutil.Process().memory_info().rss / 2**20)}
        parts.write(pd.concat(frames, ignore_index=True), work.columns, told)
        rows, start = [], time.perf_counter()

    total = min(n or math.inf, max(done, stream.length()))
    try:
        with (progress(int(total), work.method, done=done) as bar, warnings.catch_warnings(),
              ThreadPoolExecutor(READERS) as readers):  # gone first: readers put back the filters that they found
            warnings.simplefilter("ignore", UserWarning)  # which would come for each pair of millions
            for found, ready in ahead(chunks(stream.samples(shard, row), done, n, chunk), done, work, readers):
                last, sample = found[-1]
                read = [one.result() for one in ready]
                rows.append((work.rows(read, done), last, sample.row + 1))  # all at once, or not at all
                done += len(found)
                bar.update(len(found))
                if done % part == 0:
                    keep()
    finally:
        if rows:
            keep()
    warn_blank(work.clip, work.method, work.asked, work.blank, done - before)


def check_streamed(measures: Sequence[str]) -> list[str]:
    measures = one_or_several("measures", measures, "names of measures")
    for measure in measures:
        check_choice("a measure of a stream", measure, ALWAYS)
    if not measures:
        raise ValueError(f"no measure is named; there are {', '.join(ALWAYS)}.")
    return measures


def described(stream: Stream) -> str:
    """What the shards' names and sizes do not say of a stream."""
    if isinstance(stream, Drawn):
        return f"{stream.name}, seed {stream.seed}"
    return f"columns {', '.join(stream.columns)}" if stream.columns else "tar"


def chunks(samples: Iterator, first: int, n: int | None, chunk: int) -> Iterator[list]:
    """Samples from place `first` on, cut at multiples of `chunk` wherever one began, so that batches are the same."""
    while n is None or first < n:
        most = chunk - first % chunk
        found = list(islice(samples, most if n is None else min(most, n - first)))
        if not found:
            return
        first += len(found)
        yield found


def ahead(chunks: Iterator[list], first: int, work: Work, readers: ThreadPoolExecutor
          ) -> Iterator[tuple[list, list[Future]]]:
    """Each chunk and what `work` reads of its samples, from place `first` on; the one after it is read meanwhile."""
    before = None
    try:
        for found in chunks:
            now = found, [readers.submit(work.read, sample, i) for i, (_, sample) in enumerate(found, first)]
            if before:
                yield before
            before, first = now, first + len(found)
    except OSError:  # a shard is gone: what was read before counts
        if before:
            yield before
        raise
    if before:
        yield before


class Work:
    """What is done to each pair: it is `read`, and becomes one of the `rows`."""

    def __init__(self, clip: Clip, method: str, options: dict, measures: list[str], seed: int, truncate: bool):
        self.asked = per_tower(options, None, None)
        self.noise = check_request(clip, method, self.asked).about.noise
        self.clip, self.method, self.options, self.measures = clip, method, options, measures
        self.seed, self.truncate = seed, truncate
        self.columns, self.blank = [], Counter()  # names of what is measured; how many maps say nothing

    def described(self) -> dict:
        """All that the numbers depend on, as JSON holds it."""
        odd = [name for name, value in self.options.items() if not isinstance(value, (str, int, float, type(None)))]
        if odd:
            raise TypeError(f"the option {odd[0]!r} is {brief(self.options[odd[0]])}; a stream takes numbers and words "
                            "only, which its manifest can hold.")
        return {"method": self.method, "options": self.options, "measures": self.measures, "seed": self.seed,
                "truncate": self.truncate, "model": self.clip.name, "dtype": str(self.clip.dtype),
                "preprocess": repr(self.clip.preprocess), "weights": weights(self.clip), "code": code(AFTER)}

    def try_out(self) -> None:
        """Find the columns on a grey picture, so that what cannot work is said before anything is written."""
        grey = Sample("", 0, "", Image.new("RGB", (224, 224), (128, 128, 128)), "a")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.columns = list(self.rows([self.read(grey, 0)], 0).columns[len(BASE):])
        self.blank.clear()

    def read(self, sample: Sample, place: int) -> tuple[Sample, torch.Tensor | None]:
        """The sample and its picture (1, 3, H, W) as the model takes it, or none and the fault."""
        one = decoded(sample)
        try:
            return one._replace(image=None), None if one.fault else self.clip.pixels([one.image], place)
        except ValueError as error:
            return one._replace(image=None, fault=str(error).rstrip(".")), None

    def rows(self, read: list[tuple[Sample, torch.Tensor | None]], first: int) -> pd.DataFrame:
        """A row for each sample, the first of which has this place in the stream; measures of those that are pairs."""
        told, captions, pixels, ids = [], [], [], []
        for i, (one, x) in enumerate(read, first):
            fault = one.fault
            if not fault:
                try:  # here and not in `read`: not every tokenizer can be called from two threads
                    ids += self.clip.ids([one.caption], self.truncate)
                except ValueError as error:
                    fault = str(error).replace("caption 0", "its caption").rstrip(".")
                else:
                    captions, pixels = [*captions, one.caption], [*pixels, x]
            told.append((i, one.shard, one.row, one.key, fault))
        frame = pd.DataFrame(told, columns=list(BASE))
        pairs = frame.pair[frame.fault == ""]
        if pairs.empty:
            return frame.reindex(columns=[*BASE, *self.columns])
        chance = {"seed": [self.seed + int(i) for i in pairs]} if self.noise else {}
        ex = explain(self.clip, torch.cat(pixels), ids, self.method, progress=False, **chance, **self.options)
        found = measured(self.clip, ex, pd.DataFrame({"image": "", "caption": captions}), self.measures)
        self.blank.update(ex.blank)
        return frame.join(found.set_index(pairs.index))
