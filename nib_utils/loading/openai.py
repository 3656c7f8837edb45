"""OpenAI's models: by name, or from a file of weights."""
from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ..common.files import WEIGHTS
from ..common.packages import OPENAI, first_line, need, part_of_clip
from . import mini
from .checkpoints import read_checkpoint
from .hub import reachable

NEEDED = ("visual.proj", "visual.conv1.weight", "visual.positional_embedding", "token_embedding.weight",
          "positional_embedding", "ln_final.weight", "text_projection")  # what the architecture is read off


def build(state: dict[str, Tensor], where: str) -> nn.Module:
    """A float32 `clip.model.CLIP` from a state dict; the architecture is read off the shapes."""
    build_model = part_of_clip("model").build_model
    lacks = [name for name in NEEDED if name not in state]
    if lacks:
        raise ValueError(f"'{where}' is not the state dict of an OpenAI CLIP: it lacks {lacks[0]} and begins with "
                         f"{', '.join(list(state)[:2])}; if open_clip trained it, load 'open_clip:ARCH@{where}'.")
    try:
        model = build_model(dict(state))  # which rounds to half precision, so load once more
        model.load_state_dict({k: v.float() for k, v in state.items()}, assign=True)
    except (LookupError, RuntimeError, ArithmeticError, AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"'{where}' is not the state dict of an OpenAI CLIP ({first_line(error)}); if open_clip "
                         f"trained it, load 'open_clip:ARCH@{where}'.") from None
    return model.eval()


def load(spec: str):
    """An OpenAI model by name, from the cache of the `clip` package or its download, or from a local file.

    Their activation is QuickGELU. A file of open_clip may have the same names and another activation: it is refused
    where it says so (TorchScript), and where it says nothing a warning does.
    """
    clip = need("clip", OPENAI)
    if not hasattr(clip, "available_models"):
        raise ImportError("the package 'clip' that is installed is not OpenAI's; run `pip uninstall clip` and "
                          f"`pip install {OPENAI}`.")
    file = Path(os.path.expanduser(spec))
    if spec in clip.available_models():
        if not spec.startswith("ViT"):
            raise ValueError(f"{spec} is a ResNet CLIP, which has no residual stream of tokens; pass a ViT CLIP.")
        return build(read_checkpoint(published(spec)).state, spec), {}
    if file.suffix not in WEIGHTS:
        if os.path.exists(file):
            raise ValueError(f"'{file}' is no checkpoint; a file of weights ends in {', '.join(WEIGHTS)}, and a "
                             "folder is named 'hf:FOLDER' or 'open_clip:local-dir:FOLDER'.")
        vits = ", ".join(name for name in clip.available_models() if name.startswith("ViT"))
        raise ValueError(
            f"no model is called {spec!r}; use 'mini', one of {vits}, a local .pt file, "
            "'hf:NAME_OR_FOLDER', 'open_clip:ARCH@TAG_OR_FILE' or 'open_clip:local-dir:FOLDER'.")
    checkpoint = read_checkpoint(file)
    if mini.IDS in checkpoint.state:
        return build(mini.load(file), str(file)), {}
    if checkpoint.quick_gelu is False:
        raise ValueError(f"'{file}' is of a model with GELU, but OpenAI's have QuickGELU; load "
                         f"'open_clip:ARCH@{file}'.")
    model = build(checkpoint.state, str(file))
    if checkpoint.quick_gelu is None:
        warnings.warn(f"'{file}' does not say which activation its model was trained with, so it is read as OpenAI's, "
                      f"QuickGELU; if open_clip trained it with GELU, load 'open_clip:ARCH@{file}'.", stacklevel=3)
    return model, {}


def published(name: str) -> Path:
    """The file of a published model, downloaded if it is not there; a broken download leaves nothing."""
    from clip import clip

    url = clip._MODELS[name]  # private, but the package has no other way to say where its weights lie
    file = Path.home() / ".cache/clip" / Path(url).name
    if not file.is_file():
        try:
            if not reachable(url):
                raise OSError("its server cannot be reached")
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), hash_prefix=url.split("/")[-2])
        except (OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"the weights of {name} are not at '{file}' and could not be downloaded ({first_line(error)}); put the "
                "file there, pass the path of a local .pt file, or use load_clip('mini').") from None
    return file
