"""One readable page of everything under `results/`: HTML with its pictures inside."""
from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ...common.files import HERE, write_whole
from ...common.packages import first_line, need
from .books import BOOKS

TEMPLATE = HERE / "apps" / "batch" / "report.html"


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
            astray = [name for name in record["files"] if Path(name).name != name]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise ValueError(f"'{file}' is not a record of a run ({first_line(error)}); run its notebook again."
                             ) from None
        if astray:
            raise ValueError(f"'{file}' names {astray[0]!r}, a file outside its folder; run its notebook again.")
        found.append(record | {"folder": file.parent, "run": file.parent.name})
    if not found:
        raise ValueError(f"there are no results in '{root}'; run the other notebooks first.")
    place = {name: i for i, name in enumerate(BOOKS)}
    return sorted(found, key=lambda r: (place.get(r["notebook"], len(BOOKS)), r["run"]))


def page(records: list[dict], title: str, rows: int = 30, verdict: Sequence[str] = ()) -> str:
    """HTML of all runs: the verdict's sentences, then each run's pictures, its tables folded, and what made them.

    rows: of a table that are shown. Whatever a file says stays text.
    """
    jinja2 = need("jinja2", "'nib-utils[notebooks]'")
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, verdict=verdict, runs=[contents(record, rows) for record in records])


def contents(record: dict, rows: int) -> dict:
    """What the page shows of one run."""
    folder, known = record["folder"], ("notebook", "run", "folder", "files", "versions", "key", "made_in")
    facts = {name: value for name, value in record.items() if name not in known}
    read = lambda file: base64.b64encode((folder / file).read_bytes()).decode()
    return {"name": f"{record['notebook']}, {record['run']}",
            "pictures": [{"name": Path(f).stem, "data": read(f)} for f in record["files"] if f.endswith(".png")],
            "tables": [table(folder / f, rows) for f in record["files"] if f.endswith(".csv")],
            "made": "; ".join(f"{k} {json.dumps(v, default=str)}" for k, v in facts.items())}


def table(file: Path, rows: int) -> dict:
    frame = pd.read_csv(file)
    shown = frame.head(rows).to_html(index=False, border=0, float_format="{:.4g}".format, na_rep="", escape=True)
    cut = f" (the first {rows} of {len(frame)} rows)" if len(frame) > rows else ""
    return {"name": file.stem.replace("_", " "), "cut": cut, "html": shown}


def write(page: str, file: Path | str) -> None:
    """The page as a file, whole or not at all."""
    write_whole(Path(file), lambda part: part.write_text(page, encoding="utf-8"))
