"""What many functions ask of their arguments, or one clear sentence."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real

import pandas as pd

from .sentences import brief


def whole(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_seed(name: str, value) -> None:
    if not is_seed(value):
        raise TypeError(f"{name} is {brief(value)}; it takes a whole number of 64 bits, or one for each pair.")


def is_seed(value) -> bool:
    """Whether something is a seed, or several in a row."""
    several = list(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    return all(whole(seed) and -(2**63) <= seed < 2**63 for seed in several)


def check_whole(name: str, value, least: int) -> None:
    if not whole(value) or value < least:
        raise ValueError(f"{name} is {brief(value)}; pass a whole number of at least {least}.")


def check_share(name: str, value) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {brief(value)}; it lies in 0..1.")


def check_choice(name: str, value, choices: tuple) -> None:
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):  # arrays are refused too
        raise ValueError(f"{name} is {brief(value)}; pass one of {', '.join(map(repr, choices))}.")


def in_order(name: str, given, of: str) -> list:
    """Several things as a list; refused is what has no order, or gives up its keys instead of its values."""
    what = f"{name} are a {type(given).__name__}"
    if isinstance(given, (set, frozenset)):
        raise TypeError(f"{what}, which has no order, so that nobody knows which belongs to which; pass a list.")
    if isinstance(given, Mapping) or getattr(given, "ndim", 1) > 1:
        raise TypeError(f"{what}, of which it is not clear what to take; pass a list of {of}.")
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0:
        raise TypeError(f"{name} are {brief(given)}; pass a list of {of}.")
    return list(given)


def one_or_several(name: str, given, of: str) -> list:
    """A single word as a list of it; several as `in_order` gives them."""
    return [given] if isinstance(given, str) else in_order(name, given, of)


def need_columns(pairs: pd.DataFrame, *names: str) -> None:
    """Refuse what is not a table of pairs with these columns, or is empty."""
    columns = pairs.columns if isinstance(pairs, pd.DataFrame) else ()
    missing = [name for name in names if name not in columns]
    if missing:
        raise ValueError(f"pairs lack the column {missing[0]!r}; pass a DataFrame of load_pairs (of 'shapes', where "
                         "exact truth is asked for; of phrase_pairs, where phrases are).")
    if not len(pairs) and "phrase" not in names:
        raise ValueError("there are no pairs; load at least one.")
