"""What a job's results follow from, a digest each: results of the same key, made here, need not be made again."""
from __future__ import annotations

import json
import os
from pathlib import Path
from uuid import uuid4

from ...common import digests
from ...common.files import data_file, write_whole
from .books import BOOKS, EVERY, NOTEBOOKS
from .names import executed_copy, path_of, run_folder, runs_of


def key_of(notebook: str, parameters: dict, root: str | Path) -> dict[str, str | None]:
    """The digests of all that a notebook's results under `root` follow from, None for what has no part in them.

    notebook: its file. parameters: all but `results`. code: the package's sources. model: its file or folder, None
    for a name under which its publisher keeps one version. data: the files of the root and the picture of one's own;
    None where they are drawn, or fetched by name. read: the records of the notebooks that it reads.

    >>> key_of("report", {"rows": 30, "fast": False}, "results")["model"] is None
    True
    """
    book, given = NOTEBOOKS / f"{notebook}.ipynb", {k: v for k, v in parameters.items() if k != "results"}
    return {"notebook": digests.contents(book) if book.is_file() else None,
            "parameters": digests.words(json.dumps(given, sort_keys=True, default=str)),
            "code": digests.code(), "model": of_model(given.get("model")), "data": of_data(given),
            "read": of_records(notebook, given, Path(root))}


def of_model(model: str | None) -> str | None:
    file = data_file(f"{model}.safetensors") if model in ("mini", "mini-hard") else path_of("model", model)
    if file is None or not os.path.exists(file):  # False, too, of a path that is too long
        return None
    return digests.contents(*digests.tree(file) if file.is_dir() else [file])


def of_data(given: dict) -> str | None:
    """Of the picture of one's own, and of a data set on disk.

    Of a folder all files count; of a table its bytes, and the pictures beside it and in a folder there. Pictures are
    told apart by name, size and time.
    """
    image, root = (path_of(name, given.get(name)) for name in ("image", "root"))
    found = [digests.contents(image)] if image and os.path.isfile(image) else []
    if root and os.path.isdir(root):
        found.append(digests.stamps(digests.tree(root)))
    elif root and os.path.isfile(root):
        from ...data.files import SUFFIXES  # needs torch, as does whatever reads the table

        beside = [*root.parent.glob("*.*"), *root.parent.glob("*/*.*")]
        pictures = sorted(file for file in beside if file.suffix.lower() in SUFFIXES)
        found += [digests.contents(root), digests.stamps(pictures)]
    return digests.words(*found) if found else None


def of_records(notebook: str, given: dict, root: Path) -> str | None:
    """Of the records that it reads: of the same world, or of all notebooks."""
    after = BOOKS[notebook].after if notebook in BOOKS else ()
    world = lambda parameters: [parameters.get(name) for name in ("model", "dataset")]
    names = [name for name in (BOOKS if EVERY in after else after) if name != notebook]
    files = sorted(file for name in names for file in root.glob(f"{name}/*/{name}.json"))
    read = [file for file in files if EVERY in after or world(record_in(file).get("parameters", {})) == world(given)]
    return digests.contents(*read) if after else None


def record_in(file: Path) -> dict:
    """A record as it was written; empty where there is none, or none that can be read."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def reason(notebook: str, parameters: dict, root: str | Path) -> str | None:
    """Why a notebook is to be run, in words; None where what a run would leave is there, made by a run from here."""
    folder = run_folder(root, notebook, parameters)
    record = record_in(folder / f"{notebook}.json")
    if not record:
        return "missing"
    if record.get("made_in") is None or record["made_in"] != made_in(root):
        return "made elsewhere"
    key, now = record.get("key") or {}, key_of(notebook, parameters, root)
    if changed := [part for part in now if key.get(part) != now[part]]:
        return f"changed: {', '.join(changed)}"
    files = [folder / file for file in record.get("files", [])] + [executed_copy(notebook, parameters, root)]
    return next((f"gone: {file.name}" for file in files if not file.is_file()), None)


def made_in(root: str | Path, begin: bool = False) -> str | None:
    """What the `runs/` beside a folder of results is known by, made up when they begin; another on every clone.

    So results that came with a clone are made anew by its first run, which shows that they can be.
    """
    file = runs_of(root) / "id"
    if begin and not file.is_file():  # of two that begin at once, the last one's stays
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda part: part.write_text(uuid4().hex[:8], encoding="utf-8"))
    return file.read_text(encoding="utf-8") if file.is_file() else None
