"""Captions and image names in a CSV or another list, read as a table."""
from __future__ import annotations

import csv
import json
import re
import warnings
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pandas as pd

from ..common.packages import first_line
from .files import check_rows, pick_file, read_lines, read_text

NEEDED = ("image", "file_path", "caption")
ALIKE = {"image": ("img", "picture", "photo", "file", "filename", "file_name", "path", "filepath", "image_path",
                   "image_file", "image_name"),
         "caption": ("text", "title", "sentence", "description", "captions", "label")}  # how others call them
MARKS = {",": "comma", ";": "semicolon", "\t": "tab"}
RESERVED = {"captions": "holds a list of captions in each row", "fault": "says what is wrong with a row"}  # columns


def read_table(file: Path) -> pd.DataFrame:
    """A CSV or TSV (columns image or file_path, and caption), indexed by row as a spreadsheet counts them.

    Fields are parted by the comma, semicolon or tab by which the header has these columns, in capitals or not.
    """
    content = read_text(file)
    sep = separator(content, "\t" if file.suffix == ".tsv" else ",")

    def read(**options) -> pd.DataFrame:
        return pd.read_csv(StringIO(content), sep=sep, keep_default_na=False, skip_blank_lines=False,
                           skipinitialspace=True, **options)

    try:
        header = read(header=None, nrows=1, dtype=str).iloc[0]  # as it stands: of two columns k pandas makes k and k.1
        text = {name: str for name, known in zip(header, known_names(header)) if known in NEEDED}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header loses its end
            table = read(index_col=False, dtype=text)
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"'{file}' cannot be read as a table ({long_row(content, sep) or first_line(error)}); give it "
                         f"a header, and put a caption that contains a {MARKS[sep]} in double quotes.") from None
    check_header(known_names(header), file)
    table.index += 2
    table.columns = known_names(table.columns)
    if "image" not in table:
        table = table.rename(columns={"file_path": "image"})
    missing = [name for name in ("image", "caption") if name not in table]
    if missing:
        found = header.str.strip().tolist()
        hints = [f"rename {name!r} to {lost!r}" for lost in missing for name in found if name.lower() in ALIKE[lost]]
        raise ValueError(f"'{file}' has no column {' and no column '.join(missing)}; it has "
                         f"{', '.join(map(short, found[:20]))}; "
                         f"{' and '.join(hints[:2]) or 'its first line must name them, as image,caption does'}.")
    return table[(table.astype(str) != "").any(axis=1)]  # blank lines go, but they counted as rows


def separator(content: str, usual: str) -> str:
    """What parts the fields: the usual, unless only by another mark the header has the columns of pairs."""
    first = content[:10_000].splitlines()[:1]  # what is longer is no header
    for sep in (usual, *MARKS):
        names = known_names(next(csv.reader(first, delimiter=sep, skipinitialspace=True), []))
        if "caption" in names and not {"image", "file_path"}.isdisjoint(names):
            return sep
    return usual


def known_names(header: Sequence[str]) -> list[str]:
    """The header's names without spaces, and IMAGE or Caption as we write them, unless there is one so written too."""
    names = [name.strip() for name in header]
    return [name.lower() if name.lower() in NEEDED and name.lower() not in names else name for name in names]


def short(name: str, most: int = 60) -> str:
    name = " ".join(name.split())  # a quoted name may have lines
    return name if len(name) <= most else name[:most] + "..."


def check_header(names: list[str], file: Path) -> None:
    """Refuse a column that is there twice, or that is called what a column of ours is."""
    for name in names:
        if name and names.count(name) > 1:
            raise ValueError(f"'{file}' has {names.count(name)} columns {name!r}; rename or remove all but one.")
        if name in RESERVED:
            raise ValueError(f"'{file}' has a column {name!r}, which in a table of pairs {RESERVED[name]}; rename it.")


def long_row(text: str, sep: str) -> str:
    """The first row with more fields than the header, in words; empty if there is none."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=sep, skipinitialspace=True)
    try:
        header, line = next(rows, []), rows.line_num + 1
        for row in rows:
            if len(row) > len(header):
                return f"line {line} has {len(row)} fields, but the header has {len(header)}"
            line = rows.line_num + 1  # a field in quotes may go over several lines
    except csv.Error:  # pandas says better what that is
        pass
    return ""


def read_candidates(file: Path) -> pd.DataFrame:
    """Images with several captions each -> columns image and caption, a row per caption, indexed by row in the file.

    A column split where the file says it, as Karpathy's does.
    """
    if file.suffix == ".json":
        text = read_text(file)
        try:
            content = json.loads(text)
            if isinstance(content, dict) and "images" in content:
                items = [(item["filename"], [sentence["raw"] for sentence in item["sentences"]], item["split"])
                         for item in content["images"]]
            else:
                said = lambda given: given if isinstance(given, list) else [given]
                items = [(item["image"], said(item["caption"])) for item in content]
            if not all(isinstance(name, str) for name, *_ in items):
                raise TypeError("a name of an image is not text")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"'{file}' is not a JSON list of items with image and caption, nor Karpathy's images with "
                             f"filename, sentences and split ({first_line(error)}).") from None
        columns = ["image", "caption", "split"][: len(items[0]) if items else 2]
        return pd.DataFrame(items, columns=columns, index=range(1, len(items) + 1)).explode("caption")
    lines = read_lines(file)
    parts = [re.fullmatch(r"(.+)#\d+\t(.*)", line) for line in lines]
    if not any(parts[:1]):
        return read_table(file)
    if not all(parts):
        raise ValueError(f"row {parts.index(None) + 1} of '{file}' is not of the form name#0<TAB>caption; mend it.")
    return pd.DataFrame([part.groups() for part in parts], columns=["image", "caption"], index=range(1, len(parts) + 1))


def read_csv(root: Path, *, broken: str = "raise") -> pd.DataFrame:
    """A CSV or TSV with columns image (or file_path) and caption; other columns are kept.

    root: the file, or a folder with exactly one *.csv. broken: "raise" or "skip" rows whose image is missing
    or caption empty, counting the header as row 1. Raises ValueError for a file that cannot be used.

    >>> nib.load_pairs("csv", "my/pairs.csv", broken="skip")
    """
    file = pick_file(root, ("*.csv",), "csv")
    return check_rows(read_table(file), file, broken)


def read_cc(root: Path, *, broken: str = "raise") -> pd.DataFrame:
    """Conceptual Captions as you downloaded it: a folder with cc.csv, or one *.csv or *.tsv, as for `read_csv`.

    >>> nib.load_pairs("cc", "conceptual-captions", n=50)
    """
    file = pick_file(root, ("cc.csv", "*.csv", "*.tsv"), "cc")
    return check_rows(read_table(file), file, broken)
