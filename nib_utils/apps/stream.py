"""`stream`: a method run over a data set of any size, from the shell; the same command goes on where it stopped."""
from __future__ import annotations

import argparse
import signal
from pathlib import Path

from ..common.files import check_writable, write_whole
from ..common.packages import need
from .batch.request import check_model
from .explain import add_options, options_of

WORLDS = ("shapes", "shapes-hard")
MEASURES = ("published", "corrected", "gain")


def add_command(commands) -> None:
    one = commands.add_parser("stream", help="explain and measure millions of pairs", description=(
        "Explain and measure every pair of tar shards, as img2dataset writes them, of Parquet files, or of a drawn "
        "world. The same command goes on where it stopped."))
    one.add_argument("source", metavar="SOURCE", help="a folder, a file or a pattern of .tar or .parquet shards, as "
                                                      "'cc/{00000..00331}.tar', in quotes; shapes or shapes-hard")
    one.add_argument("--out", required=True, help="the folder of parts/, summary.csv, refused.csv and parts.csv")
    add_options(one)
    one.add_argument("-n", "--n", type=int, help="the first so many pairs (default: all)")
    one.add_argument("--seed", type=int, default=0, help="pair i gets seed + i (default: 0)")
    one.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES[:2]), metavar="MEASURE",
                     help=f"of {', '.join(MEASURES)} (default: the first two)")
    one.add_argument("--part", type=int, default=1000, help="pairs in a file, a multiple of 40 (default: 1000)")
    one.add_argument("--image", help="the column of pictures, of Parquet")
    one.add_argument("--caption", help="the column of captions, of Parquet")


def stream_pairs(given: argparse.Namespace) -> None:
    """`stream`, from arguments to tables; what makes no sense is refused before torch is imported."""
    options = options_of(given)
    check_model(given.model)
    for name, value, least in (("n", given.n, 1), ("seed", given.seed, 0)):
        if value is not None and value < least:
            raise ValueError(f"--{name} is {value}; it takes a whole number from {least}.")
    if given.part < 40 or given.part % 40:
        raise ValueError(f"--part is {given.part}; it takes a multiple of 40, the pairs that are in work at a time.")
    if "seed" in options:
        raise ValueError("the seed is given with --seed; pair i gets seed + i.")
    if given.source in WORLDS and given.n is None:
        raise ValueError(f"{given.source} never ends; say how many pairs to measure with --n.")
    if not given.out.strip():
        raise ValueError("--out is empty; name a folder.")
    shards = []
    if given.source not in WORLDS:
        from ..data.shards import find_shards

        shards = find_shards(given.source)
    need("pyarrow", "'nib-utils[large]'")
    check_writable(Path(given.out), "the folder of results")
    before = signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # as a cluster says that time is over
    try:
        measure(given, options, len(shards))
    finally:
        signal.signal(signal.SIGTERM, before)


def measure(given: argparse.Namespace, options: dict, shards: int) -> None:
    from ..data.stream import open_stream
    from ..loading.load import load_clip
    from ..maps.options import check_options, find
    from ..measures.parts import Parts
    from ..measures.stream import evaluate_stream
    from ..tables.merged import merged
    from .batch.results import commit

    check_options(given.method, find(given.method), options)
    stream = open_stream(given.source, seed=given.seed, image=given.image, caption=given.caption)
    clip = load_clip(given.model)
    folder = evaluate_stream(clip, stream, given.method, given.out, n=given.n, seed=given.seed, part=given.part,
                             truncate=given.truncate, measures=given.measures, about={"commit": commit()}, **options)
    pace = Parts(folder).pace()
    write_whole(folder / "parts.csv", lambda part: pace.to_csv(part, index=False))
    pairs, refused = int(pace["last"].max()) + 1 if len(pace) else 0, int(pace.refused.sum())
    if pairs == refused:
        why = f"all {pairs} pairs are refused, as '{folder / 'refused.csv'}' says" if pairs else "there are no pairs"
        raise ValueError(f"nothing of '{given.source}' was measured: {why}.")
    found = merged(folder)
    write_whole(folder / "summary.csv", lambda part: found.to_csv(part))
    print(found.to_string(float_format="%.4g"))
    source = f"{shards} shard{'s' * (shards > 1)}" if shards else given.source
    rate = pairs / max(pace.seconds.sum(), 1e-9)
    print(f"{pairs} pairs of {source}, {refused} of them refused (refused.csv); {rate:.1f} pairs a second; tables in "
          f"{folder}")
