"""Packages that only some models or data sets need, and what an error of theirs says."""
from __future__ import annotations

import warnings
from importlib import import_module
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


def first_line(error: Exception) -> str:
    """What an error says in its first sentence, to be put in brackets."""
    lines = str(error).strip().splitlines() or [""]
    line = lines[1].strip() if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return f"{type(error).__name__}: {line.split('. ')[0]}".rstrip(".")
