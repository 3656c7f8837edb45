"""Pairs of a data set of any size, one after another: always in the same order, and from any place on."""
from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path

import pandas as pd
from PIL import Image, UnidentifiedImageError

from ..clip.pictures import rgb, upright
from ..common.checks import check_choice, check_whole
from ..common.packages import first_line
from .files import leave_out
from .parquet import count_rows, find_columns, read_parquet
from .shards import Sample, find_shards, printable
from .tar import count_samples, read_tar
from .world import hard_scenes, scenes
from .world.pairs import pair_rng

WORLDS = {"shapes": scenes, "shapes-hard": hard_scenes}
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # of others, PIL has programs run (PostScript)
MOST_PIXELS = 2**26  # of a picture, decoded: 200 MB


@dataclass(frozen=True)
class Stream:
    """The pairs of `open_stream`; to go through it decodes them, one at a time."""

    name: str
    shards: list  # (name, bytes) of each file; what is drawn has none

    def samples(self, shard: int = 0, row: int = 0) -> Iterator[tuple[int, Sample]]:
        """(Number of the shard, sample not decoded) from a row of a shard on."""
        raise NotImplementedError

    def length(self) -> float:
        """About how many pairs there are, judged by the first shard."""
        return math.inf

    def __iter__(self) -> Iterator[Sample]:
        return (decoded(sample) for _, sample in self.samples())


@dataclass(frozen=True)
class Shards(Stream):
    """Files of many pairs, tars or Parquet."""

    files: list
    columns: tuple[str, str] | None  # of Parquet

    def samples(self, shard: int = 0, row: int = 0) -> Iterator[tuple[int, Sample]]:
        for number in range(shard, len(self.files)):
            for one in self.read(self.files[number], row if number == shard else 0):
                yield number, one

    def read(self, file: Path, start: int) -> Iterator[Sample]:
        return read_parquet(file, start, self.columns) if self.columns else read_tar(file, start)

    def length(self) -> float:
        sizes = [size for _, size in self.shards]
        return (count_rows if self.columns else count_samples)(self.files[0]) * sum(sizes) / max(1, sizes[0])


@dataclass(frozen=True)
class Drawn(Stream):
    """A drawn world, whose i-th scene is painted when it is asked for; it never ends."""

    seed: int

    def samples(self, shard: int = 0, row: int = 0) -> Iterator[tuple[int, Sample]]:
        for i in count(row):
            scene = WORLDS[self.name].draw_scene(pair_rng(self.seed, i), True, None)  # that of `load_pairs`, held out
            yield 0, Sample(self.name, i, str(i), Image.fromarray(scene.pixels), scene.caption)


def open_stream(source: str | Path, *, seed: int = 0, image: str | None = None, caption: str | None = None) -> Stream:
    """A data set of any size as a stream of samples (shard, row, key, image, caption, fault).

    source: a folder, a file or a pattern of tar shards (NAME.jpg, NAME.txt, as img2dataset writes) or of Parquet files,
    whose columns image (bytes, or the hub's {bytes, path}) and caption may be named; or "shapes", "shapes-hard", whose
    scenes follow from the seed. Nothing is unpacked to disk. A sample that is no pair has no image (None) and says why
    in `fault`. Raises FileNotFoundError or ValueError for shards that are not there or are of no known kind,
    ImportError for Parquet without pyarrow.

    >>> for pair in nib.open_stream("cc/{00000..00331}.tar"):
    ...     print(pair.key, pair.caption, pair.fault or pair.image.size)
    """
    check_whole("seed", seed, 0)
    if isinstance(source, str) and source in WORLDS:
        return Drawn(source, [], seed)
    files = find_shards(source)
    sizes = [(file.name, file.stat().st_size) for file in files]
    parquet = files[0].suffix.lower() == ".parquet"
    return Shards(str(source), sizes, files, find_columns(files[0], image, caption) if parquet else None)


def decoded(sample: Sample) -> Sample:
    """The sample with its picture in RGB and upright, or without one and with the fault that it has."""
    fault, picture = sample.fault, sample.image
    if not fault and not isinstance(picture, Image.Image):
        try:
            picture = decode(picture)
        except UnidentifiedImageError:  # whose words hold an address in memory, another one in each run
            fault = f"its picture is none of {', '.join(FORMATS)}"
        except Exception as error:  # strangers' bytes make a decoder fail in any way
            said = " ".join(str(error).split())
            fault = said if said.startswith("its picture ") else f"its picture cannot be decoded ({first_line(error)})"
    return sample._replace(image=None if fault else picture, fault=printable(fault, 600))


def decode(content: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's own, of large pictures and odd tags
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if not 0 < width * height <= MOST_PIXELS:
                raise ValueError(f"its picture has {width} x {height} pixels; 1 to {MOST_PIXELS} in all are read")
            picture.load()
            return rgb(upright(picture), "its picture")


def read_shards(root: Path, *, image: str | None = None, caption: str | None = None,
                broken: str = "raise") -> pd.DataFrame:
    """Tar or Parquet shards as `open_stream` reads them, all in memory, with columns shard and key; for some thousands.

    root: a folder or a file. image, caption: columns of Parquet. broken: "raise" or "skip", which decodes all.

    >>> nib.load_pairs("shards", "cc", n=100)
    """
    check_choice("broken", broken, ("raise", "skip"))
    found = [one for _, one in open_stream(root, image=image, caption=caption).samples()]
    faults = [(decoded(one) if broken == "skip" else one).fault for one in found]
    if not found:
        raise ValueError(f"the shards at '{root}' have no pairs; fetch them again.")
    leave_out(faults, [f"{one.row} of {one.shard}" for one in found], f"'{root}'", broken)
    kept = [one for one, fault in zip(found, faults) if not fault]
    return pd.DataFrame({"image": [partial(picture_of, one) for one in kept], "caption": [one.caption for one in kept],
                         "shard": [one.shard for one in kept], "key": [one.key for one in kept]})


def picture_of(sample: Sample) -> Image.Image:
    found = decoded(sample)
    if found.fault:
        raise ValueError(f"row {sample.row} of '{sample.shard}' is no pair: {found.fault}; leave it out with "
                         'broken="skip".')
    return found.image
