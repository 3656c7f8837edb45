"""OpenAI's `clip` models as two towers."""
from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..common.packages import OPENAI, first_line, need
from .blocks import Block
from .parts import fused_attention, highest, image_tower, linear, norm, projection, quick_gelu, text_tower
from .pictures import MEAN, STD
from .tower import Tower


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
    state = {k: v for k, v in state.items() if k not in ("input_resolution", "context_length", "vocab_size")}
    try:
        model = build_model(dict(state)).float()  # build_model rounds to half precision, so load once more
        model.load_state_dict({k: v.float() for k, v in state.items()})
    except (LookupError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise ValueError(f"'{where}' is not the state dict of an OpenAI CLIP ({first_line(error)}).") from None
    return model.eval()


def load(spec: str):
    """An OpenAI model by name, from the cache of the `clip` package or its download, or from a local file."""
    clip = need("clip", OPENAI)
    if not hasattr(clip, "available_models"):
        raise ImportError("the package 'clip' that is installed is not OpenAI's; run `pip uninstall clip` and "
                          f"`pip install {OPENAI}`.")
    file = Path(spec).expanduser()
    if file.suffix in (".pt", ".pth", ".bin", ".safetensors"):
        if not file.is_file():
            raise FileNotFoundError(f"there are no weights at '{file}'; check the path, or use load_clip('mini').")
    elif spec in clip.available_models():
        file = cached(spec)
    elif file.exists():
        raise ValueError(f"'{file}' is no checkpoint; a file of weights ends in .pt, .pth, .bin or .safetensors, and a "
                         "folder is named 'hf:FOLDER' or 'open_clip:local-dir:FOLDER'.")
    else:
        vits = ", ".join(name for name in clip.available_models() if name.startswith("ViT"))
        raise ValueError(
            f"no model is called {spec!r}; use 'mini', one of {vits}, a local .pt file, "
            "'hf:NAME_OR_FOLDER', 'open_clip:ARCH@TAG_OR_FILE' or 'open_clip:local-dir:FOLDER'.")
    return build(read_state(file), str(file)), {}


def cached(name: str) -> Path:
    """The file of a published model, downloaded by the `clip` package (which checks its hash) if it is not there."""
    from clip import clip

    folder = Path("~/.cache/clip").expanduser()
    file = folder / Path(clip._MODELS[name]).name
    if not file.is_file():
        try:
            clip._download(clip._MODELS[name], str(folder))
        except OSError as error:
            file.unlink(missing_ok=True)  # a broken download would be taken for the model next time
            raise FileNotFoundError(
                f"the weights of {name} are not at '{file}' and could not be downloaded ({first_line(error)}); put the "
                "file there, pass the path of a local .pt file, or use load_clip('mini').") from None
    return file


def read_state(file: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file, a .pt file of tensors, or OpenAI's TorchScript archive."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # OpenAI's own files are TorchScript archives, which torch remarks on
            try:
                state = torch.load(file, map_location="cpu", weights_only=True)
            except (RuntimeError, pickle.UnpicklingError):
                state = torch.jit.load(str(file), map_location="cpu").state_dict()
    except Exception as error:
        raise ValueError(f"'{file}' is not a readable checkpoint ({first_line(error)}); download it again.") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else {"": state}
    if not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"'{file}' holds something other than a state dict of tensors.")
    return state
