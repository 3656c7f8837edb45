"""OpenAI's `clip` models as two towers."""
from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ..common.packages import OPENAI, first_line, need
from . import mini
from .blocks import Block
from .checkpoints import SUFFIXES, read_checkpoint
from .hub import reachable
from .parts import fused_attention, highest, image_tower, linear, norm, projection, quick_gelu, text_tower
from .pictures import MEAN, STD
from .tower import Tower

NEEDED = ("visual.proj", "visual.conv1.weight", "visual.positional_embedding", "token_embedding.weight",
          "positional_embedding", "ln_final.weight", "text_projection")  # what the architecture is read off


def towers(model: nn.Module, borrow) -> tuple[Tower, Tower]:
    """(image, text) towers of a `clip.model.CLIP`; `borrow` makes the view of a parameter that a tower keeps."""
    visual = model.visual
    if not hasattr(visual, "transformer"):
        raise ValueError(f"{type(visual).__name__} has no residual stream of tokens; only ViT CLIPs can be explained.")

    def block(module, causal):
        return Block(
            heads=module.attn.num_heads, norm1=norm(module.ln_1, borrow), norm2=norm(module.ln_2, borrow),
            **fused_attention(module.attn, borrow), fc1=linear(module.mlp.c_fc, borrow), act=quick_gelu,
            fc2=linear(module.mlp.c_proj, borrow), causal=causal)

    side = visual.input_resolution // visual.conv1.kernel_size[0]
    image = image_tower(
        visual.conv1, visual.class_embedding, visual.positional_embedding, (side, side), norm(visual.ln_pre, borrow),
        [block(b, False) for b in visual.transformer.resblocks], norm(visual.ln_post, borrow),
        projection(visual.proj, borrow), borrow)
    text = text_tower(
        model.token_embedding.weight, model.positional_embedding, highest,
        [block(b, True) for b in model.transformer.resblocks], norm(model.ln_final, borrow),
        projection(model.text_projection, borrow), model.dtype, borrow)
    return image, text


def pixel_format(model: nn.Module):
    """What Preprocess is made of for this model: size, mean, std."""
    side = model.visual.input_resolution
    return (side, side), MEAN, STD


def build(state: dict[str, Tensor], where: str) -> nn.Module:
    """A float32 `clip.model.CLIP` from a state dict; the architecture is read off the shapes."""
    build_model = need("clip.model", OPENAI).build_model
    lacks = [name for name in NEEDED if name not in state]
    if lacks:
        raise ValueError(f"'{where}' is not the state dict of an OpenAI CLIP: it lacks {lacks[0]} and begins with "
                         f"{', '.join(list(state)[:2])}; if open_clip trained it, load 'open_clip:ARCH@{where}'.")
    try:
        model = build_model(dict(state)).float()  # build_model rounds to half precision, so load once more
        model.load_state_dict({k: v.float() for k, v in state.items()})
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
    if file.suffix not in SUFFIXES:
        if os.path.exists(file):
            raise ValueError(f"'{file}' is no checkpoint; a file of weights ends in {', '.join(SUFFIXES)}, and a "
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
