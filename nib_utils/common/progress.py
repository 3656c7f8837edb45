"""One progress bar for the terminal, for notebooks, and for notebooks executed in batch."""
from __future__ import annotations

import os

BATCH = "NIB_UTILS_BATCH"  # set by the batch runner: a notebook there has no one to draw widgets for


def progress(total: int, title: str, unit: str = "pair", show: bool = True, done: int = 0):
    """A tqdm bar with units per second and time left; in batch a line of text every few seconds."""
    batch = bool(os.environ.get(BATCH))
    if batch:
        from tqdm.std import tqdm
    else:
        from tqdm.auto import tqdm
    return tqdm(total=total, initial=done, desc=title, unit=unit, disable=not show, mininterval=10 if batch else 0.2)
