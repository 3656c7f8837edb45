"""The one list of notebooks, in the order of a reader, and what each accepts; read without importing anything."""
from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from functools import cache

from ...common.files import HERE

NOTEBOOKS = HERE.parent / "notebooks"
EVERY = "every notebook"


@dataclass(frozen=True)
class Book:
    """A notebook's place in the batch."""

    small: dict = field(default_factory=dict)  # parameters with which the tests run it: every cell has something to do
    reproduce: bool = True  # is it part of `run all`, of `make reproduce`?
    run: str = "{model}-{dataset}"  # what its folders of results are called, by its parameters
    hard: dict | None = None  # what differs from its defaults in the second world; None: not run there by `run all`
    after: tuple[str, ...] = ()  # whose results, of the same world, it reads
    alone: bool = False  # does it measure time, so that nothing may run beside it?


BOOKS = {
    "quickstart": Book(),
    "explorer": Book(reproduce=False),  # for people: what it is worth is not in its files
    "mini_accuracy": Book(dict(scenes=90), hard={}),
    "main_table": Book(dict(n=6, methods=["nib", "m2ib", "rise", "all_ones"], masks=8), hard=dict(n=40)),
    "localization": Book(dict(scenes=5, methods=["nib", "gradcam", "random"]), hard=dict(scenes=40)),
    "layers": Book(dict(validation=3, scenes=3, layers=[6, 9, 10], steps=2), hard=dict(validation=6, scenes=16)),
    "qualitative": Book(dict(scene=0, fast=True), hard={}),
    "faithfulness": Book(dict(others=2, methods=["nib", "m2ib", "random", "all_ones"], fast=True),
                         hard=dict(n=40, others=10), after=("main_table",)),  # whose work it takes up
    "counterfactual": Book(dict(n=6, values=1, methods=["nib", "attn_lrp", "random"]), hard=dict(n=16)),
    "shapley": Book(dict(n=2, samples=120), reproduce=False, hard=dict(n=50, samples=2000)),
    "reference": Book(dict(n=3, methods=["nib", "chefer", "random"]), hard=dict(n=40),
                      after=("main_table", "localization", "faithfulness")),
    "sanity": Book(dict(n=3, methods=["nib", "m2ib"], blocks=[1, 12], seeds=2), hard=dict(n=6)),
    "theory": Book(dict(n=3, steps=[1, 10])),
    "held": Book(dict(scenes=2, n=2, validation=2, coalitions=60), hard=dict(scenes=16)),
    "defects": Book(dict(n=4, methods=["nib"], train=12, repeats=2)),
    "shortcut": Book(dict(steps=2, n=3, scenes=45, methods=["nib", "legrad", "rise", "random"], masks=8)),
    "ablation_nib": Book(dict(scenes=3, layers=[0, 9], steps=[1, 5], finest=10)),
    "ablation_m2ib": Book(dict(scenes=3, betas=[0.1, 1.0], learning_rates=[1.0], steps=[2], copies=[2],
                               settle=[1, 2], layers=[10], rates=[1.0])),
    "rise_masks": Book(dict(scenes=3, masks=[4, 8], enough=0.1)),
    "speed": Book(dict(arch="tiny", methods=["nib", "chefer", "rise"], archs=["tiny"], batches=[1, 2], repeats=1,
                       fast=True), reproduce=False, run="{arch}-random", alone=True),  # `make bench`
    "scaling": Book(dict(n=4, engines=["processes"], workers=[1], arch="tiny", pictures=3), reproduce=False,
                    run="{model}", alone=True),
    "train_mini": Book(dict(steps=3, batch_size=4, scenes=90), reproduce=False, run="{model}"),
    "report": Book(run="all-results", after=(EVERY,)),  # last: it tells of the others
}
REPRODUCE = [name for name, book in BOOKS.items() if book.reproduce]
HARD = {"model": "mini-hard", "dataset": "shapes-hard"}  # the second world
JOBS = [*((name, {}) for name in REPRODUCE[:-1]),  # what `run all` runs, in order: the report tells of both worlds
        *((name, HARD) for name in REPRODUCE if BOOKS[name].hard is not None), (REPRODUCE[-1], {})]


def hard_defaults(name: str, parameters: dict) -> dict:
    """What a notebook takes in the second world where nothing else is said; empty in any other.

    >>> hard_defaults("main_table", {"model": "mini-hard", "dataset": "shapes-hard"})
    {'n': 40}
    """
    return dict(BOOKS[name].hard or {}) if name in BOOKS and HARD.items() <= parameters.items() else {}


@cache
def parameters_cell(name: str) -> str:
    """The source of a notebook's cell of parameters; empty where there is no such notebook."""
    file = NOTEBOOKS / f"{name}.ipynb"
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"] if file.is_file() else []
    return next(("".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])), "")


def defaults(name: str) -> dict:
    """The parameters of a notebook and their defaults, in its order.

    >>> defaults("mini_accuracy")["candidates"]
    100
    """
    lines = ast.parse(parameters_cell(name)).body
    return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}


def choices(name: str, parameter: str) -> list[str]:
    """The values that a notebook's form offers, where it takes no others; empty where anything goes."""
    form = re.search(rf"^{re.escape(parameter)} *=.*# @param (\[.*?\])(.*)$", parameters_cell(name), re.M)
    return [] if form is None or "allow-input" in form[2] else ast.literal_eval(form[1])
