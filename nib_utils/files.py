"""Where the files that come with the package lie."""
from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent


def data_file(name: str) -> Path:
    """A file of `data/`: beside the package in a checkout, inside it when installed from a wheel."""
    inside = HERE / "shipped" / name
    return inside if inside.exists() else HERE.parent / "data" / name
