"""What a notebook leaves behind: numbers (CSV), pictures (PNG), and how they came about (JSON)."""
from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ...common.files import HERE, write_whole
from ...common.progress import BATCH
from .keys import key_of, made_in
from .names import run_folder, runs_of

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("nib-utils", "torch", "numpy", "pandas", "clip-anytorch", "open_clip_torch", "transformers")


class Results:
    """The folder of one run, `<root>/<notebook>/<model>-<dataset>...`, and the record of what made it.

    parameters: those of the notebook as they were given, before `fast` or None are made into anything else; the
    folder is named by them (`names.run_name`), so that other parameters have another folder. Raises ValueError
    where the folder holds results of other parameters anyway, OSError that names a file which cannot be written.

    >>> results = Results("results", "main_table", {"model": "mini", "dataset": "shapes", "n": 100})
    >>> results.table("main_table", frame)
    >>> results.figure("main_table", figure)
    >>> results.close()
    """

    def __init__(self, root: str | Path, notebook: str, parameters: dict):
        if not str(root).strip():
            raise ValueError("results is empty; name the folder that products go to.")
        self.folder = run_folder(root, notebook, parameters)
        self.cache = runs_of(root) / "pairs"  # finished pairs of interrupted runs
        self.root, self.notebook, self.parameters, self.files = Path(root), notebook, parameters, []
        self.key = key_of(notebook, parameters, root)
        self.start = time.perf_counter()

    @property
    def record(self) -> Path:
        return self.folder / f"{self.notebook}.json"

    def table(self, name: str, frame: pd.DataFrame, index: bool = False) -> pd.DataFrame:
        """Write a CSV, six significant digits, and hand the frame back to be shown."""
        self.product(f"{name}.csv", lambda part: frame.to_csv(part, index=index, float_format="%.6g"))
        return frame

    def figure(self, name: str, figure) -> None:
        """Write a PNG, readable at page width."""
        self.product(f"{name}.png", lambda part: figure.savefig(part, dpi=110, metadata={"Software": None}))

    def product(self, file: str, write: Callable[[Path], object]) -> None:
        """Have `write` make one file of the folder, whole; with the first, the old record goes."""

        def filled(part: Path) -> None:
            write(part)
            if not self.files:  # the old record must not vouch for new numbers, but goes no sooner than they are there
                self.record.unlink(missing_ok=True)

        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / file, filled)
        if file not in self.files:
            self.files.append(file)

    def close(self, **facts) -> None:
        """Write the JSON record: parameters, further `facts`, seconds, and what made them (see `provenance`).

        Raises RuntimeError, and writes none, where the model or the data were changed since the beginning.
        """
        now = key_of(self.notebook, self.parameters, self.root)
        if changed := [part for part in ("model", "data") if now[part] != self.key[part]]:
            raise RuntimeError(f"{self.notebook}: the {' and the '.join(changed)} changed on disk while it ran, so "
                               "nobody knows what its numbers are of; run it again.")
        seconds = round(time.perf_counter() - self.start, 1)
        record = {"notebook": self.notebook, "parameters": self.parameters, **facts, "files": sorted(self.files),
                  "seconds": seconds, **provenance(), "key": self.key}
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.environ.get(BATCH):  # what is run by hand may differ from its file, so that `run` takes nothing from it
            record["made_in"] = made_in(self.root, begin=True)
        text = json.dumps(record, indent=1, default=str, ensure_ascii=False) + "\n"
        write_whole(self.record, lambda part: part.write_text(text, encoding="utf-8"))
        if os.environ.get(BATCH):
            print(f"results: {self.folder}", flush=True)


def provenance() -> dict:
    """Whose numbers these are: commit, versions of Python and of packages, kind of machine."""
    return {"commit": commit(), "python": platform.python_version(), "machine": machine(),
            "versions": {name: found for name in PACKAGES if (found := installed(name))}}


def machine() -> str:
    """System, processor, cores and their share, and a GPU where torch has one; no name of a machine or a person."""
    torch = sys.modules.get("torch")
    words = [platform.system(), platform.machine(), f"{os.cpu_count()} cores"]
    words += [f"{torch.get_num_threads()} threads"] if torch else []
    words += [torch.cuda.get_device_name()] if torch and torch.cuda.is_available() else []
    return ", ".join(words)


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
