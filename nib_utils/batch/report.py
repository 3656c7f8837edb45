"""One readable page of everything under `results/`: HTML with its pictures inside."""
from __future__ import annotations

import base64
import json
from html import escape
from pathlib import Path

import pandas as pd

from ..common.files import write_whole
from .books import BOOKS

STYLE = """
body { font: 16px/1.5 Georgia, serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1, h2, h3, nav, table, .made { font-family: system-ui, sans-serif; }
img { max-width: 100%; height: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.8rem; display: block; overflow-x: auto; }
td, th { padding: 0.15rem 0.6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
.made { color: #777; font-size: 0.8rem; }
"""


def collect(root: Path | str) -> list[dict]:
    """The records of all runs under `root`, in the order of the page, each with its folder.

    Raises ValueError where there are none, or for a record that cannot be read.

    >>> report.write(report.page(report.collect("results"), "Results"), "report.html")
    """
    found = []
    for file in sorted(Path(root).glob("*/*/*.json")):
        if file.stem != file.parent.parent.name or file.stem == "report":
            continue
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"'{file}' is not a record of a run ({error}); run its notebook again.") from None
        found.append(record | {"folder": file.parent, "run": file.parent.name})
    if not found:
        raise ValueError(f"there are no results in '{root}'; run the other notebooks first.")
    place = {name: i for i, name in enumerate(BOOKS)}
    return sorted(found, key=lambda r: (place.get(r["notebook"], len(BOOKS)), r["run"]))


def page(records: list[dict], title: str, rows: int = 30) -> str:
    """HTML of all runs: pictures, then tables of at most `rows` rows, then what made them."""
    names = [f"{r['notebook']}, {r['run']}" for r in records]
    links = " · ".join(f'<a href="#run{i}">{escape(name)}</a>' for i, name in enumerate(names))
    body = "\n".join(section(r, name, i, rows) for i, (r, name) in enumerate(zip(records, names)))
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1><nav>{links}</nav>\n{body}</body></html>\n")


def section(record: dict, name: str, number: int, rows: int) -> str:
    pictures = [f for f in record["files"] if f.endswith(".png")]
    tables = [f for f in record["files"] if f.endswith(".csv")]
    parts = [f'<h2 id="run{number}">{escape(name)}</h2>']
    parts += [picture(record["folder"] / file) for file in pictures]
    parts += [table(record["folder"] / file, rows) for file in tables]
    facts = {k: v for k, v in record.items() if k not in ("notebook", "run", "folder", "files", "versions")}
    made = "; ".join(f"{k} {json.dumps(v, default=str)}" for k, v in facts.items())
    return "\n".join([*parts, f'<p class="made">{escape(made)}</p>'])


def picture(file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{escape(file.stem)}" src="data:image/png;base64,{data}">'


def table(file: Path, rows: int) -> str:
    frame = pd.read_csv(file)
    shown = frame.head(rows).to_html(index=False, border=0, float_format="{:.4g}".format, na_rep="", escape=True)
    more = f" (the first {rows} of {len(frame)} rows)" if len(frame) > rows else ""
    return f"<h3>{escape(file.stem.replace('_', ' '))}{more}</h3>\n{shown}"


def write(page: str, file: Path | str) -> None:
    """The page as a file, whole or not at all."""
    write_whole(Path(file), lambda part: part.write_text(page, encoding="utf-8"))
