"""The command line: notebooks executed headlessly by papermill, their products under `results/`; a data set fetched."""
from __future__ import annotations

import argparse
import ast
import logging
import os
import sys
import time
from pathlib import Path

from ..common.files import HERE
from ..common.packages import need
from ..common.progress import BATCH
from ..maps.options import find
from .results import slug

NOTEBOOKS = HERE.parent / "notebooks"


def main(arguments: list[str] | None = None) -> int:
    """`python -m nib_utils run NOTEBOOK ... [--model M] [--dataset D] [-p NAME VALUE]`, or `download-cc LIST ROOT`.

    Returns 0 when all went well.
    """
    parser = argparse.ArgumentParser(prog="python -m nib_utils", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute notebooks", description="Execute notebooks by papermill.",
                              epilog=f"Notebooks: {', '.join(available())}.")
    run.add_argument("notebooks", nargs="*", default=["main_table"], metavar="NOTEBOOK", help="default: main_table")
    run.add_argument("--model", help="mini, ViT-B/32, a .pt file, hf:NAME, open_clip:ARCH@TAG")
    run.add_argument("--dataset", help="shapes, cc, imagenet, flickr8k, csv, folders, coco, hf:NAME")
    run.add_argument("--root", help="the folder or file of the dataset")
    run.add_argument("--n", type=int, help="how many pairs (a seeded subset)")
    run.add_argument("--results", help="where products go (default: results, or results-fast when FAST=1)")
    run.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                     help="any other parameter of the notebook; VALUE is read as YAML")
    get = commands.add_parser("download-cc", help="fetch the pictures of Conceptual Captions",
                              description="Fetch the pictures of a list of links; the same command goes on.")
    get.add_argument("list", metavar="LIST", help="a file of lines 'caption TAB url'")
    get.add_argument("root", metavar="ROOT", help="the folder for pictures, cc.csv and dead_links.csv")
    get.add_argument("--n", type=int, help="how many pairs to have (default: all of the list)")
    get.add_argument("--workers", type=int, default=16, help="links fetched at a time (default: 16)")
    given = parser.parse_args(arguments)
    try:
        run_notebooks(given) if given.command == "run" else download(given)
    except KeyboardInterrupt:
        print("nib_utils: interrupted; the same command goes on from what is done.", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        print(f"nib_utils: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if type(error).__module__.startswith("yaml"):
            print(f"nib_utils: a VALUE is not YAML: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
        raise
    return 0


def download(given: argparse.Namespace) -> None:
    """`download-cc`, and how it went."""
    from ..data.cc_download import download_cc

    pairs = download_cc(given.list, given.root, n=given.n, workers=given.workers)
    print(f"{len(pairs)} pairs in {Path(given.root) / 'cc.csv'}; links that gave none in dead_links.csv beside it.")


def run_notebooks(given: argparse.Namespace) -> None:
    """`run`: the notebooks, one after another, when the parameters fit all of them."""
    fast = os.environ.get("FAST", "").lower() not in ("", "0", "no", "false")
    yaml = need("yaml", "'nib-utils[notebooks]'")
    extra = {name: yaml.safe_load(value) for name, value in given.parameter}
    fast = bool(extra.get("fast", fast))
    results = given.results or ("results-fast" if fast else "results")
    named = {k: v for k in ("model", "dataset", "root", "n") if (v := getattr(given, k)) is not None}
    parameters = {"results": str(Path(results).resolve())} | named | extra | ({"fast": True} if fast else {})
    for name in given.notebooks:
        check_parameters(name, parameters)
    try:
        Path(results).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the folder of results, '{results}', cannot be made ({error.strerror}); "
                         "name another with --results.") from None
    for name in given.notebooks:
        execute(name, parameters)


def available() -> list[str]:
    return sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))


def check_parameters(name: str, parameters: dict) -> None:
    """Refuse an unknown notebook, a parameter that it does not have (papermill only warns), or one of another type."""
    import papermill

    if name not in available():
        raise ValueError(f"no notebook is called {name!r}; there are {', '.join(available()) or 'none here'}.")
    known = papermill.inspect_notebook(str(NOTEBOOKS / f"{name}.ipynb"))
    for parameter, value in parameters.items():
        if parameter not in known:
            raise ValueError(f"{name} has no parameter {parameter!r}; it has {', '.join(known)}.")
        if parameter == "methods" and value is not None:
            check_methods(value)
        default = ast.literal_eval(known[parameter]["default"])
        kinds = (int, float) if isinstance(default, float) else type(default)
        if default is not None and value is not None and not isinstance(value, kinds):
            raise TypeError(f"{name}: parameter {parameter} is {value!r}, a {type(value).__name__}; "
                            f"it takes a {type(default).__name__} like {default!r}.")


def check_methods(names) -> None:
    """Refuse what is no list of methods before any of them is run."""
    if not isinstance(names, list) or not names:
        raise TypeError(f"methods is {names!r}; it takes a list of names, as in -p methods '[nib, chefer]'.")
    for name in names:
        find(name)


def execute(name: str, parameters: dict) -> Path:
    """Run one notebook with parameters, `results` (a folder) among them; returns the executed copy.

    Raises RuntimeError when a cell fails, and what `check_parameters` raises.
    """
    papermill = need("papermill", "'nib-utils[notebooks]'")
    check_parameters(name, parameters)
    runs = Path(parameters["results"]).resolve().parent / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    which = [slug(str(parameters[k])) for k in ("model", "dataset", "root") if parameters.get(k)]
    executed = runs / f"{'-'.join([name, *which])}.ipynb"
    os.environ[BATCH] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.INFO)
    start = time.perf_counter()
    print(f"== {name}", flush=True)
    try:
        papermill.execute_notebook(str(NOTEBOOKS / f"{name}.ipynb"), str(executed), parameters=parameters,
                                   kernel_name="python3", cwd=os.getcwd(), log_output=True, progress_bar=False)
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(f"notebook {name}, cell {error.exec_count}: {error.ename}: {error.evalue} "
                           f"(the whole trace is in {executed})") from None
    print(f"== {name}: done in {time.perf_counter() - start:.0f} s; executed copy {executed}", flush=True)
    return executed
