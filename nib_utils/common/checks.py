"""What many functions ask of their arguments, or one clear sentence."""
from __future__ import annotations

from numbers import Integral, Real

import pandas as pd


def check_whole(name: str, value, least: int) -> None:
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value!r}; pass a whole number of at least {least}.")


def check_share(name: str, value) -> None:
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}; it lies in 0..1.")


def check_choice(name: str, value, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; pass one of {', '.join(map(repr, choices))}.")


def need_columns(pairs: pd.DataFrame, *names: str) -> None:
    """Refuse what is not a table of pairs with these columns, or is empty."""
    missing = [name for name in names if name not in getattr(pairs, "columns", ())]
    if missing:
        raise ValueError(f"pairs lack the column {missing[0]!r}; pass a DataFrame of load_pairs (of 'shapes', where "
                         "exact truth is asked for; of phrase_pairs, where phrases are).")
    if not len(pairs) and "phrase" not in names:
        raise ValueError("there are no pairs; load at least one.")
