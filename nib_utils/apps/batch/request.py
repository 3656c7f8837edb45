"""What is asked of a notebook, refused where it makes no sense: before a kernel starts, and without importing torch."""
from __future__ import annotations

import ast
import math
import os
import warnings
from functools import cache
from numbers import Integral, Real
from pathlib import Path

from ...common.files import HERE, WEIGHTS
from ...common.sentences import lacks, nobody
from .books import NOTEBOOKS, choices, defaults

KINDS = {  # for parameters whose default is None: a value like those that they take otherwise
    "root": "a/folder", "image": "a/picture.jpg", "captions": ["a sentence"], "methods": ["nib", "chefer"],
    "masks": 100, "layer": 9, "steps": 3600, "batch_size": 64, "learning_rate": 0.001, "hard_from": 0.5}
LEAST = dict.fromkeys(("seed", "pair", "scene", "layer", "layers", "blocks", "betas", "share", "hard_from"), 0)
MOST = dict.fromkeys(("share", "hard_from"), 1) | {"seed": 2**32 - 1}
SOURCES = ("model", "dataset", "root", "data_options", "image", "captions")  # what is read from outside
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "words", list: "a list",
         dict: "a mapping"}


def available() -> list[str]:
    return sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))


def method_names() -> list[str]:
    """The names in METHODS, read off the files: importing them would take seconds."""
    return list(method_nodes())


def method_options(name: str) -> dict:
    """The options of a method and their defaults, read off its file.

    >>> method_options("nib")
    {'layer': None, 'steps': 10, 'branch': 'constant'}
    """
    given = method_nodes()[name].args
    return {option.arg: ast.literal_eval(default) for option, default in zip(given.kwonlyargs, given.kw_defaults)}


@cache
def method_nodes() -> dict[str, ast.FunctionDef]:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in sorted((HERE / "methods").glob("*.py"))]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)
            for mark in node.decorator_list if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "method"}


def check_request(name: str, parameters: dict) -> None:
    """Refuse an unknown notebook, a parameter that it does not have, or a value that the parameter cannot take.

    Raises ValueError, or TypeError for a value of another type; no file is opened.
    """
    if name not in available():
        raise ValueError(nobody("notebook", name, available()))
    known = defaults(name)
    for parameter, value in parameters.items():
        if parameter not in known:
            raise ValueError(lacks(name, "parameter", parameter, known))
        if value is None and (known[parameter] is None or parameter == "n"):
            continue
        if parameter == "methods":
            check_methods(value)
        usual = KINDS.get(parameter) if known[parameter] is None else known[parameter]
        listed = [value] if parameter == "captions" and isinstance(value, str) else value
        check_value(f"{name}: parameter {parameter}", parameter, listed, usual)
        if (offered := choices(name, parameter)) and value not in offered:
            raise ValueError(f"{name}: parameter {parameter} is {value!r}; it takes one of {', '.join(offered)}.")


def check_value(where: str, name: str, value, usual) -> None:
    """Refuse a value of another type than the usual one, an empty one, and a number out of range."""
    kind = type(usual)
    fits = {bool: isinstance(value, bool), int: isinstance(value, Integral) and not isinstance(value, bool),
            float: isinstance(value, Real) and not isinstance(value, bool)}.get(kind, isinstance(value, kind))
    if usual is not None and not fits:
        raise TypeError(f"{where} is {value!r}, a {type(value).__name__}; it takes {WORDS[kind]} like {usual!r}.")
    if isinstance(value, str) and not value.strip() or isinstance(value, list) and not value:
        raise ValueError(f"{where} is {value!r}, which is empty; it takes {WORDS[type(value)]} like {usual!r}.")
    if kind in (int, float):
        check_range(where, name, value, kind)
    if isinstance(value, list):
        for item in value:
            check_value(f"{where}: an item of the list", name, item, usual[0] if usual else None)


def check_range(where: str, name: str, value: float, kind: type) -> None:
    least, most = LEAST.get(name, 1 if kind is int else None), MOST.get(name, math.inf)
    low = value <= 0 if least is None else value < least
    if low or value > most or not math.isfinite(value):
        bound = "above 0" if least is None else f"from {least}" + ("" if most == math.inf else f" to {most}")
        raise ValueError(f"{where} is {value!r}; it takes {WORDS[kind]} {bound}.")


def check_methods(names) -> None:
    """Refuse what is no list of methods before any of them is run."""
    if not isinstance(names, list) or not names:
        raise TypeError(f"methods is {names!r}; it takes a list of names, as in -p methods '[nib, chefer]'.")
    for name in names:
        if name not in method_names():
            raise ValueError(nobody("method", name, method_names()))


def check_sources(parameters: dict) -> None:
    """Refuse a model, a data set or a picture that is not there, in the words of what would read it.

    Raises ValueError, FileNotFoundError or ImportError. Only what is not embedded costs more than a look.
    """
    check_picture(parameters.get("image"), parameters.get("captions"))
    check_data(parameters.get("dataset", "shapes"), parameters.get("root"), parameters.get("data_options") or {})
    model = parameters.get("model", "mini")
    check_model(model)
    if model not in ("mini", "mini-hard"):
        from ...loading.load import load_clip

        load_clip(model, device="cpu")  # there is no surer way to know


def check_model(model: str) -> None:
    """Refuse the path of weights that are not there; what else a name may lack shows when it is loaded."""
    if not model.strip():
        raise ValueError("the model's name is empty; use mini, another name, or a path.")
    if Path(model).suffix in WEIGHTS and ":" not in model and not Path(model).expanduser().is_file():
        raise FileNotFoundError(f"there are no weights at '{model}'; check the path, or use the model mini.")


def check_picture(image: str | None, captions) -> None:
    if image is None:
        return
    if not captions:
        raise ValueError("with a picture of your own, give its captions too, as in -p captions '[a cat, a dog]'.")
    check_image(image, "image")


def check_image(image: str, what: str) -> None:
    """Refuse what is no picture; `what` it is begins the sentence."""
    if not os.path.isfile(image):  # False, too, of a path that is too long
        found = f"'{image}' is a folder" if os.path.isdir(image) else f"there is no file at '{image}'"
        raise FileNotFoundError(f"{what}: {found}.")
    from PIL import Image

    try:
        with Image.open(image) as opened:
            opened.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{what}: '{image}' cannot be read as a picture ({error}).") from None


@cache
def dataset_names() -> list[str]:
    """The names of the data sets, read off the file: importing it would take seconds."""
    tree = ast.parse((HERE / "data" / "pairs.py").read_text(encoding="utf-8"))
    readers = next(node.value for node in tree.body
                   if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "READERS")
    return [ast.literal_eval(key) for key in readers.keys]


def check_data(dataset: str, root: str | None, options: dict) -> None:
    """Refuse a data set that is not there: its table is read for it, its pictures are not."""
    if dataset in ("shapes", "shapes-hard"):
        return
    remote = dataset.startswith("hf:") and dataset != "hf:"
    if not remote and dataset not in dataset_names():
        raise ValueError(nobody("data set", dataset, dataset_names()))
    try:
        if root is not None and Path(root).exists():
            next(Path(root).iterdir(), None) if Path(root).is_dir() else Path(root).open("rb").close()
    except OSError as error:
        raise ValueError(f"{dataset}: '{root}' cannot be read ({error.strerror}).") from None
    if not remote:
        from ...data.pairs import load_pairs

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the notebook says them
            load_pairs(dataset, root, n=1, **options)
