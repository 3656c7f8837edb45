"""Where the files that come with the package lie, and how a file is written whole or not at all."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # the package


def data_file(name: str) -> Path:
    """A file of `data/`: beside the package in a checkout, inside it when installed from a wheel."""
    inside = HERE / "shipped" / name
    return inside if inside.exists() else HERE.parent / "data" / name


def write_whole(file: str | Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `file` and rename it: an interruption leaves what was there before."""
    file = Path(file)
    part = file.with_name(f".{file.name}.part{file.suffix}")
    try:
        write(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
