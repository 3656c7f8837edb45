"""A CLIP by name: found, read, built, moved, and wrapped."""
from __future__ import annotations

import os

import torch
from torch import nn

from ..clip.clip import Clip
from ..common.checks import brief
from . import mini, open_clip, openai, transformers
from .live.wrap import wrap


def load_clip(spec: str = "mini", device: str | torch.device | None = None,
              dtype: torch.dtype = torch.float32) -> Clip:
    """A CLIP by name: loaded by its own library, moved to `device` and `dtype`, and wrapped.

    spec: "mini" or "mini-hard" (embedded, offline); an OpenAI name ("ViT-B/32") or a local .pt file;
    "hf:NAME_OR_FOLDER"; "open_clip:ARCH@TAG_OR_FILE"; "open_clip:local-dir:FOLDER". device: CUDA where there is one,
    else the CPU. Nothing that a file holds is run. A name is looked for in its cache first and on the network only
    then. Raises ValueError for a name nobody knows or a file that cannot be used, FileNotFoundError for weights that
    are not here, ImportError for a package that is not installed.

    >>> clip = nib.load_clip("mini")
    """
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"dtype is {brief(dtype)}; pass torch.float32, torch.bfloat16 or torch.float16.")
    device, spec = check_device(device), check_name(spec)
    library, _, rest = spec.partition(":")
    if spec in mini.EMBEDDED:
        model, extras = openai.build(mini.load(mini.file_of(spec)), spec), {}
    elif library == "hf":
        model, extras = transformers.load(rest)
    elif library == "open_clip":
        model, extras = open_clip.load(rest)
    else:
        model, extras = openai.load(spec)
    model = model.eval().to(device, dtype)
    check_finite(model, spec)
    return wrap(model, name=spec, **extras)


def check_device(device) -> torch.device:
    """The device that is asked for, if it is there; else CUDA where there is one, and the CPU where not."""
    try:
        found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device is None else device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, TypeError, ValueError, OverflowError):
        found = None
    if found is None or found.type == "meta":
        raise ValueError(f"device is {brief(device)}, which is not here; pass 'cpu'"
                         f"{', or cuda' if torch.cuda.is_available() else ''}, or leave it out.")
    return found


def check_name(spec) -> str:
    """What a model is called, as text that a file may be called, too."""
    if not isinstance(spec, (str, os.PathLike)):
        raise TypeError(f"the model is {brief(spec)}; pass 'mini', another name, or a path.")
    spec = str(spec)
    longest = max(len(part.encode(errors="replace")) for part in spec.split("/"))
    if len(spec) > 500 or longest > 255 or not spec.strip() or any(ord(letter) < 32 for letter in spec):
        raise ValueError(f"{spec[:40]!r}, of {len(spec)} characters, is no model's name; pass 'mini', another name, or "
                         "a path of at most 500 characters, none of them a control character.")
    return spec


def check_finite(model: nn.Module, spec: str) -> None:
    """Refuse weights with NaN or infinity, which would make every map meaningless."""
    wrong = [name for name, p in model.named_parameters() if p.numel() and not all(v.isfinite() for v in p.aminmax())]
    if wrong:
        raise ValueError(f"the weights of '{spec}' hold NaN or infinity in {len(wrong)} parameters, the first is "
                         f"{wrong[0]}; they were broken in training or on the way, so get others.")
