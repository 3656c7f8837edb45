"""Files of weights, whoever wrote them: a state dict without running anything in the file, or one clear sentence."""
from __future__ import annotations

import os
import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..common.packages import first_line
from .torchscript import read_torchscript

NESTS = ("state_dict", "model_state_dict", "model", "module")  # where a training run keeps its weights
PREFIXES = ("module.", "_orig_mod.", "model.")  # of DistributedDataParallel, torch.compile, Lightning
MARKS = {"input_resolution", "context_length", "vocab_size"}  # what OpenAI's own files hold beside weights
ROOM = 2**26  # bytes that a zip may unpack to beyond its own size: only source text is compressed

FOREIGN = {  # a part of a name that only they have: what such a file holds, and what to do
    "lora_": "an adapter (LoRA) without its model; merge it into its model and save that",
    "vision_model.": "a model of transformers, whose config.json says its activation; load its folder, 'hf:FOLDER'",
    "text_decoder.": "an open_clip CoCa, which also decodes captions; pass a CLIP",
    "visual.layer1.": "a ResNet CLIP, which has no residual stream of tokens; pass a ViT CLIP",
    "visual.trunk.": "an open_clip model with an image tower of timm; pass a CLIP with open_clip's own ViT",
    "patch_embed.proj.": "a vision transformer without a text tower; pass a CLIP",
    "patch_embeddings.projection.": "a vision transformer without a text tower; pass a CLIP",
    "encoder_layer_0.": "a vision transformer without a text tower; pass a CLIP",
}


@dataclass(frozen=True)
class Checkpoint:
    """The weights in a file, and the activation that they were trained with, where the file tells."""

    state: dict[str, Tensor]
    quick_gelu: bool | None


def read_checkpoint(file: Path) -> Checkpoint:
    """Weights in a .safetensors file, a .pt file of tensors or of a training run, or a TorchScript archive.

    Raises FileNotFoundError, and ValueError for a file that is broken, could run code or holds no weights of a CLIP.

    >>> read_checkpoint(Path("ViT-B-32.pt")).quick_gelu
    True
    """
    if os.path.isdir(file):
        raise ValueError(f"'{file}' is a folder, not a checkpoint; a folder is named 'hf:FOLDER' or "
                         "'open_clip:local-dir:FOLDER'.")
    if not os.path.isfile(file):
        raise FileNotFoundError(f"there are no weights at '{file}'; check the path, or use load_clip('mini').")
    if reason := no_weights(file):
        raise ValueError(f"'{file}' is not a readable checkpoint: {reason}.")
    try:
        content, classes = read_tensors(file)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = (f"it needs {asked[1]} to be read, which could run code, so it is not; save the model's state_dict() "
                "alone" if asked else "it is no pickle of tensors; download it again")
        raise ValueError(f"'{file}' is not a readable checkpoint: {what}.") from None
    except Exception as error:
        raise ValueError(f"'{file}' is not a readable checkpoint ({first_line(error)}); download it again.") from None
    state = weights_of(content, file)
    if held := next((what for part, what in FOREIGN.items() if any(part in name for name in state)), None):
        raise ValueError(f"'{file}' holds {held}.")
    quick = bool(MARKS & state.keys()) or "QuickGELU" in classes or (False if "GELU" in classes else None)
    return Checkpoint({name: value for name, value in state.items() if name not in MARKS}, quick)


def no_weights(file: Path) -> str | None:
    """What a file is whose first bytes say that it holds no weights, None where they may."""
    if not os.access(file, os.R_OK):
        return "it may not be opened; change its permissions"
    with open(file, "rb") as stream:
        head = stream.read(1024)
    text = head.lstrip().lower()
    if not head:
        return "it is empty; download it again"
    if text.startswith(b"version https://git-lfs"):
        return "it is a git-lfs pointer, which stands for the weights; run `git lfs pull` where it came from"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, so the download failed; download the file itself"
    if not re.search(rb"[^\t\n\r\x20-\xff]", head) and not head.startswith(b"\x80"):
        return "it is text; download the weights again"
    if head.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(file):
        return "its end is missing; download it again"
    return None


def read_tensors(file: Path) -> tuple[object, set[str]]:
    """What a file holds, and in a TorchScript archive the names of its modules' classes."""
    if file.suffix == ".safetensors":
        return load_file(file), set()
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            size = sum(info.file_size for info in archive.infolist())
            if size > file.stat().st_size + ROOM:
                raise ValueError(f"it claims to unpack to {size} bytes")
            if found := read_torchscript(archive):
                return found
    return torch.load(file, map_location="cpu", weights_only=True), set()


def weights_of(content: object, file: Path) -> dict[str, Tensor]:
    """The state dict in what a training run saved, without the prefixes that wrappers give its names."""
    if isinstance(content, dict):
        content = next((content[nest] for nest in NESTS if isinstance(content.get(nest), dict)), content)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ValueError(f"'{file}' holds something other than a state dict of tensors, a {type(content).__name__}; "
                         "save the model's state_dict().")
    if not content or "param_groups" in content or ("optimizer" in content and not holds_tensors(content)):
        raise ValueError(f"'{file}' holds {'the state of an optimiser, and ' if content else ''}no weights; pass the "
                         "file in which the training run saved its model.")
    if not holds_tensors(content):
        raise ValueError(f"'{file}' holds something other than a state dict of tensors: "
                         f"{', '.join(list(content)[:4])}; save the model's state_dict().")
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in content)), None):
        content = {name.removeprefix(prefix): value for name, value in content.items()}
    return dict(content)


def holds_tensors(content: dict) -> bool:
    return all(isinstance(value, Tensor) for value in content.values())
