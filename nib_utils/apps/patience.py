"""How long a person waits: as many masks as that allows, and how many seconds a method will take."""
from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..clip.clip import Clip

MASKS = 400  # RISE as released looks 6,000 times, which nobody waits for
LONG = 3.0  # seconds that nobody minds


def patient(known, options: dict) -> dict:
    """The options, with MASKS for a method that has masks among its `known` ones and was told no number.

    >>> patient(["masks", "seed"], {})
    {'masks': 400}
    """
    return ({"masks": MASKS} if "masks" in known else {}) | options


def one_look(clip: Clip) -> float:
    """Seconds of one forward of the image tower, of one picture."""
    import torch

    picture = torch.zeros(1, 3, *clip.preprocess.size, device=clip.device, dtype=clip.dtype)
    with torch.no_grad():
        clip.image(picture).sum().item()  # the first one also warms up; a number is waited for, on a GPU too
        begun = time.perf_counter()
        clip.image(picture).sum().item()
    return time.perf_counter() - begun


def wait(method: str, options: dict, look: float) -> float:
    """About how many seconds a pair takes, by how often the method looks; 0 where that is not known."""
    from ..maps.options import find

    looks = options.get("masks") or options.get("samples") or find(method).about.forwards
    return looks * look if isinstance(looks, int | float) else 0.0
