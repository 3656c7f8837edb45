"""Names and values as the sentence of an error holds them; read without importing anything heavy."""
from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def nobody(kind: str, name, known: Iterable[str]) -> str:
    """That nothing of this kind has the name, what is near it, and what there is.

    >>> nobody("method", "nob", ["nib", "m2ib"])
    "no method is called 'nob' (did you mean 'nib'?); there are nib, m2ib."
    """
    return f"no {kind} is called {with_nearest(name, known)}; there are {', '.join(known) or 'none here'}."


def lacks(owner: str, kind: str, name, known: Iterable[str]) -> str:
    """That the owner has nothing of this kind with the name, what is near it, and what it has.

    >>> lacks("nib", "option", "step", ["layer", "steps"])
    "nib has no option 'step' (did you mean 'steps'?); it has layer, steps."
    """
    return f"{owner} has no {kind} {with_nearest(name, known)}; it has {', '.join(known) or 'none'}."


def with_nearest(name, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, 1) if isinstance(name, str) else []
    return brief(name) + (f" (did you mean {near[0]!r}?)" if near else "")


def brief(value, most: int = 120) -> str:
    """A value as a sentence can hold it: its repr on one line, without addresses, cut in the middle if it is long."""
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(repr(value).split()))
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 3 :]}"
