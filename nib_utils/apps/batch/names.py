"""What the folder of a run is called: the same for the same parameters, another for others."""
from __future__ import annotations

import json
import os
import re
import unicodedata
from hashlib import sha256
from pathlib import Path

from ...common.files import WEIGHTS
from .books import BOOKS, Book, defaults, hard_defaults

SHOWN = ("model", "dataset", "arch", "n")  # a folder's name says them in words, so they need not be in its digest


def slug(text: str, longest: int = 60) -> str:
    """A name as a part of a folder name: "hf:org/name" -> "hf-org-name"; letters of any script stay.

    Never empty, hidden or longer than `longest` bytes: what is lost then is told apart by a digest.
    """
    words = re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFC", str(text))).strip("-._")
    short = words.encode()[:longest].decode(errors="ignore")
    return short if short == words != "" else f"{short}-{digest(text)}".lstrip("-")


def digest(value) -> str:
    """Six hex digits that stand for a value, in any order of its keys."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:6]


def path_of(name: str, value) -> Path | None:
    """The absolute path that a parameter means, None if it is no path: the name of a model, say."""
    if not isinstance(value, (str, Path)) or name not in ("root", "image", "model"):
        return None
    rest = re.sub(r"^(hf:|open_clip:local-dir:|open_clip:[^@]*@)", "", str(value)) if name == "model" else value
    file = Path(os.path.expanduser(rest)) if name == "model" else Path(value)
    local = name != "model" or ((rest != value or file.suffix in WEIGHTS) and os.path.exists(file))
    return file.resolve() if local else None


def run_name(notebook: str, parameters: dict) -> str:
    """The name of the folder that a notebook's results with these parameters go to.

    `<model>-<dataset>` where all others are the notebook's defaults, in this world. The last part of a root's or a
    picture's name follows the data set's, then `-n<n>`, then a digest of all other parameters that are not the
    defaults. `results` has no part in it, nor `fast`, whose results have a root of their own.

    >>> run_name("main_table", {"dataset": "flickr8k", "root": "/data/flickr8k", "n": 1000})
    'mini-flickr8k-n1000-357bfc'
    """
    usual = {"model": "mini", "dataset": "shapes"} | defaults(notebook) | hard_defaults(notebook, parameters)
    given = usual | parameters
    label = {name: slug(value) for name, value in given.items() if name in ("model", "arch")}
    if file := path_of("model", given["model"]):
        label["model"] = slug(file.stem if os.path.isfile(file) else file.name)
    label["dataset"] = slug(dataset_label(given))
    differ = {name: value for name, value in parameters.items()
              if name not in ("results", "fast") and value != usual.get(name, ...)}
    rest = {name: path_of(name, value) or value for name, value in differ.items()
            if name not in SHOWN or path_of(name, value)}
    number = {None: "-all"}.get(given.get("n"), f"-n{given.get('n')}") if "n" in differ else ""
    return BOOKS.get(notebook, Book()).run.format(**label) + number + (f"-{digest(rest)}" if rest else "")


def dataset_label(given: dict) -> str:
    """A data set in words: its name, and what its root or the picture of one's own is called."""
    kind = "own" if given.get("image") else given["dataset"]
    source = path_of("image", given.get("image")) or path_of("root", given.get("root"))
    name = "" if source is None else source.stem if os.path.isfile(source) else source.name
    return kind if name in ("", kind) else f"{kind}-{name}"


def run_folder(root: str | Path, notebook: str, parameters: dict) -> Path:
    """Where a run's results go: `<root>/<notebook>/<run_name>`, unless other parameters' results are there.

    Raises ValueError for a folder whose record, a JSON called like the notebook, tells of other parameters.
    """
    folder = Path(root) / notebook / run_name(notebook, parameters)
    record = folder / f"{notebook}.json"
    try:
        made = json.loads(record.read_text(encoding="utf-8")).get("parameters", {}) if record.is_file() else {}
        asked = json.loads(json.dumps(parameters, default=str))
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"'{record}' is not a record of a run ({error}); move it away or write elsewhere.") from None
    for name, value in asked.items():
        if name != "results" and name in made and made[name] != value and not path_of(name, value):
            raise ValueError(f"'{folder}' holds results of other parameters ({name} was {made[name]!r}, now it is "
                             f"{value!r}); move that folder away, or name another place with --results.")
    return folder


def asked(name: str, parameters: dict) -> dict:
    """All parameters of a notebook but its folder of results: those given, and the defaults of the others."""
    known = defaults(name) | hard_defaults(name, parameters) | parameters
    return {key: value for key, value in known.items() if key != "results"}


def runs_of(root: str | Path) -> Path:
    """The folder of what runs leave behind beside their results: executed copies, logs, finished pairs."""
    return Path(root).resolve().parent / "runs"


def executed_copy(notebook: str, parameters: dict, root: str | Path) -> Path:
    """Where the executed notebook goes, of all its parameters."""
    return runs_of(root) / f"{notebook}-{run_name(notebook, parameters)}.ipynb"
