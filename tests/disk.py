"""Data sets laid out on disk for a test, and the real ones where they are."""
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

REAL = Path(__file__).parents[2] / "shared" / "data"


def real(folder: str) -> Path:
    if not (REAL / folder).is_dir():
        pytest.skip(f"the real data set is not at {REAL.name}/{folder}")
    return REAL / folder


def draw(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name, "PNG")


def write(file: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines), encoding)
    return file


def names(pairs: pd.DataFrame) -> list[str]:
    return [Path(image).name for image in pairs["image"]]


def good_table(folder: Path) -> Path:
    """A good CSV: pictures beside it, in images/ and at an absolute path; captions that pandas would take for NaN."""
    draw(folder, "a.png")
    draw(folder / "images", "001", "c.png")
    draw(folder / "far", "d.png")
    return write(folder / "pairs.csv", "image,caption,k", "a.png,NA,1", '001,"a cat, a dog",2', "images/c.png,None,3",
                 f"{folder / 'far' / 'd.png'},ein Käfer,4")
