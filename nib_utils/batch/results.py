"""What a notebook leaves behind: numbers (CSV), pictures (PNG), and how they came about (JSON)."""
from __future__ import annotations

import json
import platform
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from ..common.files import HERE, write_whole

PACKAGES = ("nib-utils", "torch", "numpy", "pandas", "clip-anytorch", "open_clip_torch", "transformers")


class Results:
    """The folder `<root>/<notebook>/<model>-<dataset>/` of one run, and the record of what made it.

    >>> results = Results("results", "main_table", "mini", "shapes", parameters={"n": 100})
    >>> results.table("main_table", frame)
    >>> results.figure("main_table", figure)
    >>> results.close()
    """

    def __init__(self, root: str | Path, notebook: str, model: str, dataset: str, parameters: dict):
        self.folder = Path(root) / notebook / f"{slug(model)}-{slug(dataset)}"
        self.cache = Path(root).resolve().parent / "runs" / "pairs"  # finished pairs of interrupted runs
        self.notebook, self.parameters, self.files = notebook, parameters, []
        self.start = time.perf_counter()

    def table(self, name: str, frame: pd.DataFrame, index: bool = False) -> pd.DataFrame:
        """Write a CSV, six significant digits, and hand the frame back to be shown."""
        frame.to_csv(self.place(f"{name}.csv"), index=index, float_format="%.6g")
        return frame

    def figure(self, name: str, figure) -> None:
        """Write a PNG, readable at page width."""
        figure.savefig(self.place(f"{name}.png"), dpi=110, metadata={"Software": None})

    def close(self, **facts) -> None:
        """Write the JSON record: parameters, versions, commit, seconds, and further `facts`."""
        record = {"notebook": self.notebook, "parameters": self.parameters, **facts, "files": sorted(self.files),
                  "seconds": round(time.perf_counter() - self.start, 1), "commit": commit(),
                  "python": platform.python_version(), "machine": platform.machine(),
                  "versions": {name: found for name in PACKAGES if (found := installed(name))}}
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, indent=1, default=str) + "\n"
        write_whole(self.folder / f"{self.notebook}.json", lambda part: part.write_text(text))

    def place(self, file: str) -> Path:
        """Where a product goes; with the first, the old record goes, which must not vouch for new numbers."""
        if not self.files:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.notebook}.json").unlink(missing_ok=True)
        self.files.append(file)
        return self.folder / file


def dataset_name(dataset: str, root: str | Path | None) -> str:
    """What a data set's folder of results is called: by its name, or by its root where the name says only its kind."""
    return str(root) if dataset in ("csv", "folders", "coco") and root else dataset


def slug(text: str) -> str:
    """A model or dataset name as a folder name: "hf:org/name" -> "hf-org-name"; of a path, its last part."""
    text = text.rstrip("/")
    if Path(text).exists():
        text = Path(text).stem
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-")


def commit() -> str | None:
    """The commit that this repository is at, with a mark where its code was changed since; None where there is none."""
    root = HERE.parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None  # installed inside somebody else's repository
        changed = git("status", "--porcelain", "--untracked-files=no", "nib_utils", "notebooks", "data")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
