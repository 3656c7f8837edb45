"""A Parquet file's rows as a stream of samples: a column of encoded pictures, as on the HF hub, and captions."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..common.checks import brief
from ..common.packages import first_line, need
from .shards import MOST_BYTES, MOST_LETTERS, Sample, printable

EXTRA = "'nib-utils[large]'"
USUAL = {"image": ("image", "jpg", "png", "webp", "img"), "caption": ("caption", "text", "txt")}  # names of columns
ROWS = 16  # in memory at a time, beside what Arrow holds of a row group


def find_columns(file: Path, image: str | None = None, caption: str | None = None) -> tuple[str, str]:
    """The columns of pictures and of captions: those that are named, or the first of the usual names.

    Raises ValueError for a file that has none, or that is no Parquet.
    """
    try:
        there = need("pyarrow.parquet", EXTRA).ParquetFile(file).schema_arrow.names
    except (OSError, ValueError, MemoryError) as error:
        raise ValueError(f"'{file}' cannot be read as Parquet ({first_line(error)}); fetch it again.") from None
    found = {}
    for kind, asked in (("image", image), ("caption", caption)):
        names = USUAL[kind] if asked is None else (asked,)
        found[kind] = next((name for name in names if name in there), None)
        if found[kind] is None:
            raise ValueError(f"'{file}' has no column {' or '.join(map(repr, names))} of {kind}s; it has "
                             f"{', '.join(map(printable, there[:20]))}; name one as {kind}=COLUMN, in a shell "
                             f"--{kind} COLUMN.")
    return found["image"], found["caption"]


def read_parquet(file: Path, start: int = 0, columns: Sequence[str] = ("image", "caption")) -> Iterator[Sample]:
    """The rows of a Parquet file from the `start`-th on, not decoded.

    columns: of pictures, bytes or {bytes, path}, of which a path is never opened; and of captions. A row that is no
    pair says so in `fault`; so does one row in the place of those of a row group that cannot be read. Needs pyarrow.

    >>> next(read_parquet(Path("train-00000-of-00010.parquet"))).caption
    """
    parquet, missing = need("pyarrow.parquet", EXTRA), "the rest of the shard cannot be read"
    try:
        opened = parquet.ParquetFile(file, page_checksum_verification=True)
        sizes = [opened.metadata.row_group(g).num_rows for g in range(opened.metadata.num_row_groups)]
    except (OSError, ValueError, MemoryError) as error:
        if not start:
            yield Sample(file.name, 0, "", b"", "", f"{missing} ({said(error)})")
        return
    with opened:
        for group, size in enumerate(sizes):
            first = row = sum(sizes[:group])
            if start >= first + size:
                continue
            try:
                for batch in opened.iter_batches(ROWS, row_groups=[group], columns=list(columns), use_threads=False):
                    cells = (batch.column(name) for name in columns)
                    for image, caption in zip(*cells):
                        if row >= start:
                            yield sample(file.name, row, image.as_py(), caption.as_py())
                        row += 1
            except (OSError, ValueError, KeyError, MemoryError, OverflowError) as error:
                if row >= start:
                    yield Sample(file.name, row, "", b"", "", f"row group {group} cannot be read from here on "
                                                              f"({said(error)})")


def count_rows(file: Path) -> int:
    return need("pyarrow.parquet", EXTRA).ParquetFile(file).metadata.num_rows


def said(error: Exception) -> str:
    """An error of the file's contents in words; one of the disk is raised, for what lies behind it may be whole."""
    if isinstance(error, OSError) and error.errno:
        raise error
    return printable(first_line(error))  # Arrow repeats bytes that it found


def sample(shard: str, row: int, image, caption) -> Sample:
    """A row as a sample: what is wrong with it, in words, or nothing; of several captions the first."""
    caption = next(iter(caption), None) if isinstance(caption, list) else caption
    content = image.get("bytes") if isinstance(image, dict) else image
    fault = ""
    if content is None or not isinstance(content, bytes):
        fault = "it has no bytes of a picture"
    elif len(content) > MOST_BYTES:
        fault = f"its picture has {len(content)} bytes, more than the {MOST_BYTES} that are read"
    elif not isinstance(caption, str):
        fault = f"its caption is {brief(caption)}, not text"
    elif len(caption) > MOST_LETTERS:
        fault = f"its caption has {len(caption)} letters, more than the {MOST_LETTERS} that are read"
    elif not caption.strip():
        fault = "its caption is empty"
    return Sample(shard, row, str(row), *((b"", "") if fault else (content, caption.strip())), fault)
