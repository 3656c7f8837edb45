"""The command line: notebooks in batch, one picture explained, a data set of any size measured."""
from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from ..common.engines import PACKAGES
from .batch.books import REPRODUCE
from .batch.request import available
from .batch.run import run_notebooks
from .explain import add_options, explain_picture
from .stream import add_command as add_stream
from .stream import stream_pairs


def main(arguments: list[str] | None = None) -> int:
    """`run NOTEBOOK ...`, `explain PICTURE CAPTION ...` or `stream SOURCE --out FOLDER`; returns 0 when all went well.

    >>> main(["explain", "cat.jpg", "a cat", "-o", "map.png"])
    """
    given = parser().parse_args(arguments)
    before, muted = signal.signal(signal.SIGINT, interrupt), logging.root.manager.disable
    try:
        {"run": run_notebooks, "explain": explain_picture, "stream": stream_pairs}[given.command](given)
    except KeyboardInterrupt:
        goes_on = "" if given.command == "explain" else "; the same command goes on from what is done"
        print(f"nib_utils: interrupted{goes_on}.", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        print(f"nib_utils: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, before)
        logging.disable(muted)
    return 0


def parser() -> argparse.ArgumentParser:
    called = "nib" if Path(sys.argv[0]).stem == "nib" else "python -m nib_utils"
    parser = argparse.ArgumentParser(prog=called, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("explain", help="explain one picture", description="Why do a picture and its captions "
                              "match? A figure, and the words with their shares, as it shows them.")
    one.add_argument("picture", metavar="PICTURE", help="a file; shapes:3 or shapes-hard:3, a scene of a drawn world")
    one.add_argument("captions", metavar="CAPTION", nargs="*", help="sentences; a drawn scene has one of its own")
    add_options(one)
    one.add_argument("-o", "--out", help="the figure: .png, .pdf or .svg (default: PICTURE-METHOD.png, here)")
    one.add_argument("--beside", action="store_true", help="draw the map beside the picture, not over it")
    one.add_argument("--outline", action="store_true", help="draw a line around what has half of the strongest")
    one.add_argument("--json", action="store_true", help="print JSON, with the raw scores, for machines")
    run = commands.add_parser("run", help="execute notebooks", description="Execute notebooks by papermill.",
                              epilog=f"Notebooks: {', '.join(available())}; all: {', '.join(REPRODUCE)}, "
                                     "and most of them on the second world too.")
    run.add_argument("notebooks", nargs="*", metavar="NOTEBOOK",
                     help="one or more names, or all; default: main_table")
    for name, what in (("model", "mini, ViT-B/32, a .pt file, hf:NAME, open_clip:ARCH@TAG"),
                       ("dataset", "shapes, shapes-hard, cc, imagenet, flickr8k, csv, folders, coco, shards, hf:NAME"),
                       ("method", "one of nib.METHODS (default: what the notebook compares)"),
                       ("seed", "a whole number from 0")):
        run.add_argument(f"--{name}", action="append", default=[],
                         help=f"{what}; several, by commas or by repeating it, make as many jobs")
    run.add_argument("--grid", metavar="FILE", help="a YAML file of lists, of each of which all jobs are made: "
                                                    "notebooks, models, datasets, methods, seeds")
    run.add_argument("--root", help="the folder or file of the dataset")
    run.add_argument("--n", type=int, help="how many pairs (a seeded subset)")
    run.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                     help="any other parameter of the notebook; VALUE is read as YAML")
    run.add_argument("--results", help="where products go, a folder for each notebook and, in it, for each set of "
                                          "parameters (default: results, or results-fast when FAST=1)")
    run.add_argument("--engine", default="processes", choices=list(PACKAGES), help="what runs the notebooks: processes "
                     "of this machine (the default), or a cluster's: Ray, Dask, Slurm by submitit")
    run.add_argument("--workers", type=int, default=1, help="how many notebooks run at a time, sharing the cores "
                                                            "(default: 1); their words go to runs/*.log then")
    run.add_argument("--dry-run", action="store_true", help="say what would run and why, and run nothing")
    run.add_argument("--force", action="store_true", help="run, too, what is as it would be made anew")
    run.add_argument("--retries", type=int, default=0, metavar="N", help="try a job that fails N times more")
    run.add_argument("--max-failures", type=int, metavar="N", help="begin no other job when N have failed")
    add_stream(commands)
    return parser


def interrupt(*_) -> None:
    """Ctrl-C as one sentence: what the kernel's client has to say of its kernel's end goes unsaid."""
    logging.disable(logging.CRITICAL)
    raise KeyboardInterrupt
