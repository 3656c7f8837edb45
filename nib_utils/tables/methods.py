"""The table of methods, made from what they declare of themselves."""
from __future__ import annotations

import pandas as pd

from ..methods import METHODS


def methods_table() -> pd.DataFrame:
    """What every method declares of itself: a row per name in METHODS, in words.

    >>> print(markdown(methods_table()))
    """
    yes = lambda about, field: "yes" if getattr(about, field) else ""
    return pd.DataFrame([{
        "method": f"`{name}`", "what": f.about.title, "source": f.about.source, "group": f.about.group,
        "gradients": yes(f.about, "gradients"), "attention": yes(f.about, "attention"), "seed": yes(f.about, "noise"),
        "signed": yes(f.about, "signed"), "forwards": f"{f.about.forwards:g}"} for name, f in METHODS.items()])


def markdown(table: pd.DataFrame) -> str:
    """A table as GitHub shows it."""
    lines = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
