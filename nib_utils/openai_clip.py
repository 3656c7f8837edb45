"""OpenAI's `clip` models as two towers."""
from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .inputs import MEAN, STD
from .towers import Block, Linear, Norm, Tower


def quick_gelu(x: Tensor) -> Tensor:
    return nn.functional.silu(1.702 * x) * (1 / 1.702)  # x sigmoid(1.702 x), with fewer passes over memory


def patches(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The patch embedding as one product: pixels (B, 3, H, W), weight (D, 3, p, p) -> (B, gh * gw, D)."""
    p, q = weight.shape[-2:]
    x = x.unflatten(3, (-1, q)).unflatten(2, (-1, p))  # (B, 3, gh, p, gw, q)
    x = x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, gh * gw, 3 p q)
    return nn.functional.linear(x, weight.flatten(1), bias)


def fused_attention(module: nn.MultiheadAttention, borrow) -> dict[str, Linear]:
    """Views of the query, key and value parts of torch's fused attention, and its output."""
    weights = borrow(module.in_proj_weight).chunk(3)
    biases = borrow(module.in_proj_bias).chunk(3)
    q, k, v = (Linear(w, b) for w, b in zip(weights, biases))
    return dict(q=q, k=k, v=v, out=linear(module.out_proj, borrow))


def linear(module: nn.Linear, borrow) -> Linear:
    return Linear(borrow(module.weight), borrow(module.bias))


def norm(module: nn.LayerNorm, borrow) -> Norm:
    return Norm(borrow(module.weight), borrow(module.bias), module.eps)


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

    kernel, cls, position = map(borrow, (visual.conv1.weight, visual.class_embedding, visual.positional_embedding))
    projection = borrow(visual.proj)
    side = visual.input_resolution // kernel.shape[-1]

    def image_tokens(x: Tensor) -> Tensor:
        x = patches(x, kernel)
        return torch.cat([cls.to(x.dtype).expand(len(x), 1, -1), x], 1) + position.to(x.dtype)

    image = Tower(
        "image", image_tokens, lambda x: torch.zeros(len(x), dtype=torch.long, device=x.device),
        norm(visual.ln_pre, borrow), [block(b, False) for b in visual.transformer.resblocks],
        norm(visual.ln_post, borrow), lambda x: x @ projection, grid=(side, side))

    vocabulary, places = borrow(model.token_embedding.weight), borrow(model.positional_embedding)
    text_projection, dtype = borrow(model.text_projection), model.dtype

    def text_tokens(ids: Tensor) -> Tensor:
        return (vocabulary[ids] + places[: ids.shape[1]]).to(dtype)

    text = Tower(
        "text", text_tokens, lambda ids: ids.argmax(-1), lambda x: x,
        [block(b, True) for b in model.transformer.resblocks],
        norm(model.ln_final, borrow), lambda x: x @ text_projection,
        parts=dict(vocabulary=vocabulary, positions=places))
    return image, text


def pixel_format(model: nn.Module):
    """(size, mean, std, squash) of the pictures the model takes."""
    side = model.visual.input_resolution
    return (side, side), MEAN, STD, False


def build(state: dict[str, Tensor], where: str) -> nn.Module:
    """A float32 `clip.model.CLIP` from a state dict; the architecture is read off the shapes."""
    from clip.model import build_model

    state = {k: v for k, v in state.items() if k not in ("input_resolution", "context_length", "vocab_size")}
    try:
        model = build_model(dict(state)).float()  # build_model rounds to half precision, so load once more
        model.load_state_dict({k: v.float() for k, v in state.items()})
    except (KeyError, RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"'{where}' is not the state dict of an OpenAI CLIP ({first_line(error)}).") from None
    return model.eval()


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def load(spec: str):
    """An OpenAI model by name, from the cache of the `clip` package or its download, or from a local file."""
    import clip

    file = Path(spec).expanduser()
    if file.suffix in (".pt", ".pth", ".bin", ".safetensors"):
        if not file.is_file():
            raise FileNotFoundError(f"there are no weights at '{file}'; check the path, or use load_clip('mini').")
    elif spec in clip.available_models():
        file = cached(spec)
    else:
        raise ValueError(
            f"no model is called {spec!r}; use 'mini', one of {', '.join(clip.available_models())}, a local .pt file, "
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
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError):  # OpenAI's own files are TorchScript archives
            state = torch.jit.load(str(file), map_location="cpu").state_dict()
    except Exception as error:
        raise ValueError(f"'{file}' is not a readable checkpoint ({first_line(error)}); download it again.") from None
    state = state.get("state_dict", state)
    if not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"'{file}' holds something other than a state dict of tensors.")
    return state
