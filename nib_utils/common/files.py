"""Where the files that come with the package lie, and how a file is written whole or not at all."""
from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

HERE = Path(__file__).resolve().parents[1]  # the package
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")  # what a file of weights may end in


def data_file(name: str) -> Path:
    """A file of `data/`: beside the package in a checkout, inside it when installed from a wheel."""
    inside = HERE / "shipped" / name
    return inside if inside.exists() else HERE.parent / "data" / name


def write_whole(file: str | Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `file`, and move it into place: all of it, or what was there before.

    Two processes may write the same file, since each fills one of its own; the last one stays. Raises OSError that
    names `file` where it cannot be written (a full disk, no permission).

    >>> write_whole("table.csv", lambda part: frame.to_csv(part))
    """
    file = Path(file)
    part = file.with_name(f".{file.stem[:40]}.{uuid4().hex}.part{file.suffix}")
    try:
        write(part)
        with open(part, "rb") as filled:
            os.fsync(filled.fileno())  # else a power cut could leave the name with nothing behind it
        part.replace(file)
    except OSError as error:
        raise type(error)(f"'{file}' cannot be written ({error.strerror or error}); what was there before is left "
                          "as it was.") from None
    finally:
        try:
            part.unlink(missing_ok=True)
        except OSError:  # its folder cannot be reached, so neither was it made
            pass


def check_writable(folder: str | Path, what: str) -> None:
    """Make a folder if need be, and refuse one in which nothing can be written; `what` it is, in words."""
    folder = Path(folder)
    trial = folder / f".{uuid4().hex}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise ValueError(f"{what}, '{folder}', cannot be written to ({error.strerror or error}).") from None


@contextmanager
def locked(file: str | Path, wait: bool = True) -> Iterator[bool]:
    """Be the only one at something while others wait; who dies, however it dies, is at it no longer.

    Without `wait`, the block is entered with False where another one is at it.

    >>> with locked("runs/theory.lock"):
    ...     pass
    """
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
