"""A grid of jobs: notebooks x models x datasets x methods x seeds, from flags, from a YAML file, or from both."""
from __future__ import annotations

from itertools import product
from pathlib import Path

from ...common.packages import need
from ...common.sentences import nobody
from .request import available, check_methods, check_model, check_value, dataset_names

AXES = {"notebooks": "", "models": "model", "datasets": "dataset", "methods": "methods", "seeds": "seed"}  # parameters
FIELDS = (*AXES, "parameters", "results")


def read_yaml(text: str, where: str):
    """What YAML says; refused are aliases, which could stand for more than any memory holds, tags, and great depth."""
    yaml, depth = need("yaml", "'nib-utils[notebooks]'"), 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > 20 or isinstance(event, yaml.AliasEvent):
                what = "is nested more than 20 deep" if depth > 20 else "has an alias (*name)"
                raise ValueError(f"{where} {what}; write it out more simply.")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{where} is not YAML: {' '.join(str(error).split())}.") from None


def read_grid(file: str | Path) -> dict:
    """The fields of a grid's file, when each is one, and each item of an axis what it can be.

    Raises ValueError that names the line of the file.

    >>> read_grid("grid.yaml")
    {'notebooks': ['main_table'], 'models': ['mini'], 'seeds': [0, 1]}
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the grid '{file}' cannot be read ({getattr(error, 'strerror', 0) or error}).") from None
    grid = read_yaml(text, f"the grid '{file}'")
    if not isinstance(grid, dict) or not grid:
        raise ValueError(f"the grid '{file}' names nothing; give it some of {', '.join(FIELDS)}, as in models: [mini].")
    lines = lines_of(text)
    if len(lines) > len(grid):
        twice = next(name for i, (name, _, _) in enumerate(lines) if name in [other for other, _, _ in lines[:i]])
        raise ValueError(f"the grid '{file}' has {twice!r} twice; write it once.")
    for name, line, items in lines:
        where = f"line {line} of '{file}'"
        if name not in FIELDS:
            raise ValueError(f"{where} has {name!r}; a grid has {', '.join(FIELDS)}.")
        if name == "parameters" and not (isinstance(grid[name], dict) and all(isinstance(k, str) for k in grid[name])):
            raise ValueError(f"{where}: parameters is {grid[name]!r}; it takes a mapping, as in {{n: 100}}.")
        if name == "results":
            check_value(f"{where}: results", name, grid[name], "results")
        if name in AXES:
            check_axis(name, grid[name], [f"line {line} of '{file}'" for line in items or [line]])
    return grid


def lines_of(text: str) -> list[tuple[str, int, list[int]]]:
    """The fields of a file, each with its line and those of its items."""
    root = need("yaml", "'nib-utils[notebooks]'").compose(text)
    line = lambda node: node.start_mark.line + 1
    items = lambda node: [line(item) for item in node.value] if node.id == "sequence" else []
    return [(key.value, line(key), items(value)) for key, value in root.value]


def check_axis(name: str, items, places: list[str]) -> None:
    """Refuse what is no list, an item that no job can have, and one that is there twice; `places` say where it is."""
    if not isinstance(items, list) or not items:
        raise ValueError(f"{places[0]}: {name} is {items!r}; it takes a list, as in {name}: [{EXAMPLES[name]}].")
    for i, (item, where) in enumerate(zip(items, places)):
        try:
            check_item(name, item)
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(f"{where}, {name}: {error}") from None
        if item in items[:i]:
            raise ValueError(f"{where}, {name}: {item!r} is there twice; leave one out.")


EXAMPLES = {"notebooks": "main_table", "models": "mini", "datasets": "shapes", "methods": "nib", "seeds": "0, 1"}


def check_item(name: str, item) -> None:
    if name == "seeds":
        check_value("seed", "seed", item, 0)
    elif name == "methods":
        check_methods(item if isinstance(item, list) else [item])
    elif name == "datasets" and isinstance(item, dict):
        check_item(name, item.get("dataset"))
    else:
        check_value("it", name, item, EXAMPLES[name])
    if name == "notebooks" and item not in (*available(), "all"):
        raise ValueError(nobody("notebook", item, available()))
    if name == "models":
        check_model(item)
    if name == "datasets" and isinstance(item, str) and item not in dataset_names() and not item.startswith("hf:"):
        raise ValueError(nobody("data set", item, dataset_names()))


def points(grid: dict) -> list[tuple[str, dict]]:
    """A grid's jobs: each notebook with each choice of model, data set, method and seed, the seed changing fastest.

    A data set may be a mapping of parameters, its root among them, and a method a list of several for one job.

    >>> points({"notebooks": ["theory"], "seeds": [0, 1]})
    [('theory', {'seed': 0}), ('theory', {'seed': 1})]
    """
    axes = []
    for name, parameter in AXES.items():
        items = grid.get(name, ["main_table"] if name == "notebooks" else [{}])
        axes.append([as_parameters(parameter, item) for item in items])
    common = grid.get("parameters", {})
    return [(first, common | model | data | methods | seed) for first, model, data, methods, seed in product(*axes)]


def as_parameters(parameter: str, item):
    if not parameter or isinstance(item, dict):
        return item
    return {parameter: [item] if parameter == "methods" and isinstance(item, str) else item}
