"""A long run's rows in Parquet files of some thousand pairs each, so that it goes on where it stopped."""
from __future__ import annotations

import csv
import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ..common.checks import brief
from ..common.files import check_writable, write_whole
from ..common.packages import first_line, need

EXTRA = "'nib-utils[large]'"
NAME = re.compile(r"part-(\d{9,})-(\d{9,})\.parquet")
WORDS = ("shard", "key", "fault")  # columns of text
NUMBERS = ("pair", "row")
BASE = ("pair", "shard", "row", "key", "fault")


class Parts:
    """The files parts/part-FIRST-LAST.parquet of a run's folder, without gaps from pair 0 on, and its manifest.json.

    A row per pair: pair (its place in the stream), shard, row, key, fault (why it was not measured, or empty), and its
    measures. Each file carries where the next pair lies, and what it took: see `pace`.
    """

    def __init__(self, folder: str | Path):
        self.folder, self.arrow, self.parquet = Path(folder), need("pyarrow", EXTRA), need("pyarrow.parquet", EXTRA)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Refuse a folder in which another process is at work; a lock that ends with the process, however it ends."""
        check_writable(self.folder / "parts", "the folder of parts")
        with open(self.folder / ".lock", "wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"another run is at work in '{self.folder}'; wait for it, or name another folder."
                                 ) from None
            for left in (self.folder / "parts").glob(".part-*.part.parquet"):  # of a process that was killed
                left.unlink(missing_ok=True)
            yield

    def agree(self, work: dict, shards: list, about: dict) -> None:
        """Write down what the work is, or refuse a folder that holds parts of other work.

        shards: [name, bytes] of each; more of them may have come at the end since. about: what is worth knowing of the
        run, of which nothing depends.
        """
        file, shards = self.folder / "manifest.json", [list(shard) for shard in shards]
        if self.files():
            try:
                kept = json.loads(file.read_text(encoding="utf-8"))
                before, had = dict(kept["work"]), list(kept["shards"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ValueError(f"'{self.folder}' holds parts, but its manifest.json cannot be read "
                                 f"({first_line(error)}); name another folder.") from None
            odd = [name for name in {**before, **work} if before.get(name) != work.get(name)]
            if odd:
                was, now = (brief(found.get(odd[0])) for found in (before, work))
                raise ValueError(f"'{self.folder}' holds parts of other work: {odd[0]} was {was}, now it is {now}; go "
                                 "on with what it was, or name another folder.")
            if shards[: len(had)] != had:
                other = next(old for old, new in zip(had, [*shards, *[None] * len(had)]) if old != new)
                raise ValueError(f"'{self.folder}' holds parts of other shards: {other[0]!r} of {other[1]} bytes is no "
                                 "longer where it was; go on with the shards as they were, or name another folder.")
        text = json.dumps({"work": work, "about": about, "shards": shards}, indent=1, ensure_ascii=False) + "\n"
        write_whole(file, lambda part: part.write_text(text, encoding="utf-8"))

    def manifest(self) -> tuple[dict, set[str]]:
        """What the work is, and of which shards, or of which drawn stream; nothing where it is not written down."""
        try:
            kept = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
            work, shards = dict(kept["work"]), {f"{name} of {size} bytes" for name, size in kept["shards"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {}, set()
        return work, shards or {str(work.get("stream"))}

    def files(self) -> list[Path]:
        """The parts in order. Raises ValueError where one is missing."""
        found = sorted((*map(int, match.groups()), file) for file in (self.folder / "parts").glob("part-*.parquet")
                       if (match := NAME.fullmatch(file.name)))
        expected = 0
        for first, last, file in found:
            if first != expected:
                raise ValueError(f"'{file}' begins at pair {first}, but those before it end at pair {expected - 1}; "
                                 "put back the parts that are missing, or remove all from there on.")
            expected = last + 1
        return [file for *_, file in found]

    def end(self) -> tuple[int, int, int]:
        """Where to go on: the number of the next pair, its shard and its row."""
        last = self.files()[-1:]
        told = self.told(last[0]) if last else {"last": -1, "shard": 0, "row": 0}
        return told["last"] + 1, told["shard"], told["row"]

    def write(self, rows: pd.DataFrame, measures: list[str], told: dict) -> None:
        """Keep the rows, consecutive pairs, in one file; `told` says where the next pair lies, and what they took."""
        told = {"first": int(rows.pair.iloc[0]), "last": int(rows.pair.iloc[-1]),
                "refused": int((rows.fault != "").sum())} | told
        kinds = dict.fromkeys(NUMBERS, self.arrow.int64()) | dict.fromkeys(WORDS, self.arrow.string())
        schema = self.arrow.schema([(name, kinds.get(name, self.arrow.float64())) for name in (*BASE, *measures)])
        table = self.arrow.Table.from_pandas(rows, schema, preserve_index=False)
        table = table.replace_schema_metadata({"nib_utils": json.dumps(told)})
        file = self.folder / "parts" / f"part-{told['first']:09}-{told['last']:09}.parquet"
        write_whole(file, lambda part: self.parquet.write_table(table, part, compression="zstd",
                                                                write_page_checksum=True))

    def told(self, file: Path) -> dict:
        """What a part says of itself: first, last, refused, shard and row of the next pair, seconds, memory (MB)."""
        with self.opened(file) as part:
            return json.loads(part.schema_arrow.metadata[b"nib_utils"])

    @contextmanager
    def opened(self, file: Path):
        try:
            with self.parquet.ParquetFile(file, page_checksum_verification=True) as part:
                yield part
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"'{file}' is not as it was written ({first_line(error)}); remove it and the parts after "
                             "it, and run again.") from None

    def pace(self) -> pd.DataFrame:
        """A row per part: first, last, refused, seconds, memory (of the process when it was written, in MB)."""
        columns = ["first", "last", "refused", "seconds", "memory"]
        return pd.DataFrame([self.told(file) for file in self.files()], columns=columns)

    def read(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows, a part at a time."""
        for file in self.files():
            with self.opened(file) as part:
                yield part.read(columns).to_pandas()

    def list_refused(self) -> None:
        """Write refused.csv: pair, shard, row, key and fault of what was not measured."""

        def fill(file: Path) -> None:
            with open(file, "w", encoding="utf-8", newline="") as opened:
                table = csv.writer(opened, lineterminator="\n")
                table.writerow(BASE)
                for one in self.files():
                    if self.told(one)["refused"]:
                        with self.opened(one) as part:
                            rows = part.read(list(BASE)).to_pandas()
                        table.writerows(rows[rows.fault != ""].itertuples(index=False))

        write_whole(self.folder / "refused.csv", fill)
