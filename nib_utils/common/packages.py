"""Packages that only some models or data sets need, and what an error of theirs says."""
from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

OPENAI = "clip-anytorch 'setuptools<81'"  # what pip calls OpenAI's `clip`, which still imports pkg_resources


def need(package: str, install: str) -> ModuleType:
    """A package that only some models need, imported when one of them is asked for."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "pkg_resources")  # a remark of OpenAI's clip on itself
            return import_module(package)
    except ImportError as error:
        raise ImportError(f"the package {package!r} is needed but cannot be imported ({first_line(error)}); "
                          f"run `pip install {install}`.") from None


@cache
def part_of_clip(name: str) -> ModuleType:
    """`model` or `simple_tokenizer` of OpenAI's `clip`, without the rest, which brings torchvision and a compiler.

    They take as long to come as torch itself, and nothing here asks for them. Where the package is in use already, the
    part is its own.

    >>> part_of_clip("simple_tokenizer").SimpleTokenizer()
    """
    package = None if "clip" in sys.modules else find_spec("clip")
    file = package and package.origin and Path(package.origin).with_name(f"{name}.py")
    if not file or not file.is_file():
        return need(f"clip.{name}", OPENAI)
    spec = spec_from_file_location(f"clip.{name}", file)
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError:  # of what it needs itself
        return need(f"clip.{name}", OPENAI)
    return module


def first_line(error: Exception) -> str:
    """What an error says in its first sentence, to be put in brackets."""
    lines = str(error).strip().splitlines() or [""]
    line = lines[1].strip() if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return f"{type(error).__name__}: {line.split('. ')[0]}".rstrip(".")
