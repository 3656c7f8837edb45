"""What files hold, as sixteen hex digits: the same for the same bytes."""
from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from .files import HERE

CODE = (".py", ".html")  # what the package's own files end in


def contents(*files: Path) -> str:
    """Of the bytes of files, in their order, and their names.

    >>> len(contents(Path("data/mini.safetensors")))
    16
    """
    return words(*((file.name, of_bytes(file, *stamp(file))) for file in files))


def stamps(files: Iterable[Path]) -> str:
    """Of the names, sizes and times of files: what tells that one of a million pictures is another."""
    return words(*((str(file), *stamp(file)) for file in files))


def tree(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, in order; of a link to another folder only the link."""
    return sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)


def code(but: Iterable[str] = ()) -> str:
    """Of the package's own sources, but those of some rooms."""
    return contents(*sorted(file for file in HERE.rglob("*")
                            if file.suffix in CODE and file.relative_to(HERE).parts[0] not in but))


def words(*parts) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:16]


def stamp(file: Path) -> tuple[int, int]:
    """Size and time of a file; of a link that leads nowhere, zeros."""
    try:
        state = file.stat()
        return state.st_size, state.st_mtime_ns
    except FileNotFoundError:
        return 0, 0


@lru_cache(maxsize=10_000)
def of_bytes(file: Path, size: int, time: int) -> str:
    """Of one file, read again when its size or its time is another."""
    digest = sha256()
    with open(file, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
