"""The batch: notebooks executed headlessly by papermill, their products under `results/`."""
from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from .files import HERE
from .progress import BATCH

NOTEBOOKS = HERE.parent / "notebooks"


def main(arguments: list[str] | None = None) -> int:
    """`python -m nib_utils run NOTEBOOK ... [--model M] [--dataset D] [-p NAME VALUE]`; 0 when all went well."""
    parser = argparse.ArgumentParser(prog="python -m nib_utils", description=__doc__)
    run = parser.add_subparsers(dest="command", required=True).add_parser(
        "run", help="execute notebooks", description=__doc__, epilog=f"Notebooks: {', '.join(available())}.")
    run.add_argument("notebooks", nargs="*", default=["main_table"], metavar="NOTEBOOK", help="default: main_table")
    run.add_argument("--model", help="mini, ViT-B/32, a .pt file, hf:NAME, open_clip:ARCH@TAG")
    run.add_argument("--dataset", help="shapes, cc, imagenet, flickr8k, csv")
    run.add_argument("--root", help="the folder or file of the dataset")
    run.add_argument("--n", type=int, help="how many pairs (a seeded subset)")
    run.add_argument("--results", default="results", help="where products go (default: %(default)s)")
    run.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                     help="any other parameter of the notebook; VALUE is read as YAML")
    given = parser.parse_args(arguments)
    import yaml

    named = {k: v for k in ("model", "dataset", "root", "n") if (v := getattr(given, k)) is not None}
    if "root" in named:
        named["root"] = str(Path(named["root"]).resolve())
    try:
        extra = {name: yaml.safe_load(value) for name, value in given.parameter}
        for name in given.notebooks:
            execute(name, named | extra, Path(given.results), fast=os.environ.get("FAST") == "1")
    except (ValueError, FileNotFoundError, RuntimeError, yaml.YAMLError) as error:
        print(f"nib_utils: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nib_utils: interrupted; the same command goes on from what is done.", file=sys.stderr)
        return 130
    return 0


def available() -> list[str]:
    return sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))


def execute(name: str, parameters: dict, results: Path, fast: bool = False) -> Path:
    """Run one notebook with parameters; returns the executed copy, `runs/<name>.ipynb` beside the results.

    Raises ValueError for an unknown notebook or parameter and RuntimeError when a cell fails.
    """
    import papermill

    source = NOTEBOOKS / f"{name}.ipynb"
    if not source.is_file():
        raise ValueError(f"no notebook is called {name!r}; there are {', '.join(available()) or 'none here'}.")
    known = papermill.inspect_notebook(str(source))
    parameters = {"results": str(results.resolve())} | parameters
    if fast:
        parameters["fast"] = True
    unknown = [p for p in parameters if p not in known]  # papermill itself only warns
    if unknown:
        raise ValueError(f"{name} has no parameter {unknown[0]!r}; it has {', '.join(known)}.")
    runs = results.resolve().parent / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    executed = runs / f"{name}.ipynb"
    os.environ[BATCH] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.INFO)
    start = time.perf_counter()
    print(f"== {name}", flush=True)
    try:
        papermill.execute_notebook(str(source), str(executed), parameters=parameters, kernel_name="python3",
                                   cwd=str(NOTEBOOKS), log_output=True, progress_bar=False)
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(f"notebook {name}, cell {error.exec_count}: {error.ename}: {error.evalue} "
                           f"(the whole trace is in {executed})") from None
    print(f"== {name}: done in {time.perf_counter() - start:.0f} s; executed copy {executed}", flush=True)
    return executed
