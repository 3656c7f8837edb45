"""A data set in many files of many pairs each, tars or Parquet: which files, in which order, and what a pair is."""
from __future__ import annotations

import glob
import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..common.checks import brief

KINDS = (".tar", ".parquet")
MOST_SHARDS = 1_000_000
MOST_BYTES = 64 * 2**20  # of an encoded picture
MOST_LETTERS = 100_000  # of a caption, in bytes
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Sample(NamedTuple):
    """One pair of a shard. fault: in words, why it is none; empty if nothing is known against it."""

    shard: str  # the file's name
    row: int  # its number in the shard, from 0; those with a fault count
    key: str
    image: Any  # encoded bytes; when decoded, a PIL image in RGB; None of one with a fault
    caption: str
    fault: str = ""


def find_shards(source: str | Path) -> list[Path]:
    """The files that a folder, a file or a pattern ("cc/{00000..00331}.tar", "cc/*.parquet") means, in order.

    Those of a range in braces stand in its order, others by name. Of a folder with both kinds the tars are meant:
    img2dataset lays a Parquet file of links beside each. Raises FileNotFoundError where there is none, ValueError for
    files of another kind or of both. Imports no torch.

    >>> [file.name for file in find_shards("cc/{00000..00001}.tar")]
    ['00000.tar', '00001.tar']
    """
    if not isinstance(source, (str, Path)) or not str(source).strip():
        raise TypeError(f"the source is {brief(source)}; pass a folder, a file or a pattern of .tar or .parquet files.")
    if os.path.isdir(source):
        found = [sorted(Path(source).glob(f"*{kind}")) for kind in KINDS]
        files = found[0] or found[1]
    else:
        named = [str(source)] if os.path.exists(source) else ranged(str(source))
        files = [Path(name) for pattern in named for name in matching(pattern)]
    if not files:
        raise FileNotFoundError(f"there are no shards at {brief(str(source))}; name a folder, a file or a pattern of "
                                ".tar or .parquet shards, as 'cc/{00000..00331}.tar', in quotes.")
    gone = next((file for file in files if not os.path.isfile(file)), None)  # False, too, of a path that is too long
    if gone is not None:
        raise FileNotFoundError(f"there is no shard {brief(str(gone))}; fetch it, or name those that are there.")
    kinds = {file.suffix.lower() for file in files}
    if len(kinds) > 1 or not kinds <= {*KINDS}:
        strange = next(file for file in files if len(kinds & {*KINDS}) > 1 or file.suffix.lower() not in KINDS)
        raise ValueError(f"{brief(str(source))} means {brief(str(strange))}, but shards are plain .tar files, or "
                         ".parquet files, all of one kind; name these alone.")
    return files


def ranged(pattern: str) -> list[str]:
    """A pattern with each {00..07} spelt out, as the shell does; numbers keep their zeros."""
    numbers = RANGE.findall(pattern)
    if math.prod(max(0, int(last) - int(first)) + 1 for first, last in numbers) > MOST_SHARDS:
        raise ValueError(f"the pattern {brief(pattern)} means more than {MOST_SHARDS:,} shards; mend its numbers.")
    done = [pattern]
    for first, last in numbers:
        spelt = [str(i).zfill(len(first)) for i in range(int(first), int(last) + 1)]
        done = [RANGE.sub(number, one, count=1) for one in done for number in spelt]
    return done


def matching(pattern: str) -> list[str]:
    """The files that a pattern with * or ? fits, by name; one without stands for itself, there or not."""
    try:
        return sorted(glob.glob(pattern)) if glob.has_magic(pattern) and not os.path.exists(pattern) else [pattern]
    except ValueError:  # a zero byte
        return []


def printable(text: str, most: int = 200) -> str:
    """A stranger's name as a table can hold it: one line, in letters that UTF-8 has."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
