"""What a process has freed, given back to the system."""
from __future__ import annotations

import ctypes
import gc
import os


def give_back() -> None:
    """Collect what only circles hold, and have the C library return what is free, where it can (glibc).

    It keeps freed memory for later, in pieces that fit ever less, so a long run would look as if it grew.

    >>> give_back()
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)
