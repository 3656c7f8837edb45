"""open_clip models as two towers."""
from __future__ import annotations

import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from torch import Tensor, nn

from ..common.packages import first_line, need
from .blocks import Block, identity
from .captions import Tokenizer
from .checkpoints import read_checkpoint
from .hub import OFFLINE, find, place, read_json, read_tokenizer, tokenizer_folder
from .parts import activation, first, fused_attention, highest, image_tower, linear, norm, projection, text_tower
from .pictures import MEAN, STD
from .tower import Tower

WEIGHTS = (".safetensors", ".bin", ".pth")  # what a folder's are in, the first preferred
PUBLISHED = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # what a repository's are in


def towers(model: nn.Module, borrow) -> tuple[Tower, Tower]:
    """(image, text) towers of an open_clip `CLIP`, whose text parts lie in the model, or `CustomTextCLIP`."""
    reason = obstacle(model)
    if reason:
        raise ValueError(f"this open_clip {type(model).__name__} {reason}; what can be wrapped is a ViT pooled at CLS "
                         "beside a causal text transformer, both of plain pre-LN blocks.")
    visual, text = model.visual, getattr(model, "text", model)

    def block(module, causal):
        return Block(
            heads=module.attn.num_heads, norm1=norm(module.ln_1, borrow), norm2=norm(module.ln_2, borrow),
            **fused_attention(module.attn, borrow), fc1=linear(module.mlp.c_fc, borrow),
            act=activation(module.mlp.gelu), fc2=linear(module.mlp.c_proj, borrow),
            scale1=borrow(getattr(module.ls_1, "gamma", None)), scale2=borrow(getattr(module.ls_2, "gamma", None)),
            causal=causal)

    pre = identity if isinstance(visual.ln_pre, nn.Identity) else norm(visual.ln_pre, borrow)
    image = image_tower(
        visual.conv1, visual.class_embedding, visual.positional_embedding, tuple(visual.grid_size), pre,
        [block(b, False) for b in visual.transformer.resblocks], norm(visual.ln_post, borrow),
        projection(visual.proj, borrow), borrow)
    text = text_tower(
        text.token_embedding.weight, text.positional_embedding, pooled_row(model),
        [block(b, True) for b in text.transformer.resblocks], norm(text.ln_final, borrow),
        projection(text.text_projection, borrow), text.transformer.get_cast_dtype(), borrow)
    return image, text


def obstacle(model: nn.Module) -> str | None:
    """Why an open_clip model is not two towers of plain residual blocks, None if it is."""
    from open_clip.transformer import TextTransformer, VisionTransformer

    visual, text = model.visual, getattr(model, "text", model)
    if hasattr(model, "text_decoder"):
        return "also decodes captions"
    if not isinstance(visual, VisionTransformer):
        return f"has a {type(visual).__name__} for its image tower"
    if visual.attn_pool is not None:
        return "pools its patches by attention"
    if visual.pool_type != "tok":
        return f"pools its patches by '{visual.pool_type}'"
    if text is not model and not isinstance(text, TextTransformer):
        return f"has a {type(text).__name__} for its text tower"
    if getattr(text, "cls_emb", None) is not None:
        return "pools captions at a class token"
    if text.attn_mask is None:
        return "has text attention that is not causal"
    if pooled_row(model) is None:
        return "does not pool captions at their EOS"
    if not all(plain(b) for tower in (visual, text) for b in tower.transformer.resblocks):
        return "normalises or scales inside its blocks"
    return None


def plain(block: nn.Module) -> bool:
    """Whether none of the extra norms and scales of open_clip's custom blocks is in use."""
    attn = block.attn
    extras = [getattr(attn, name, None) for name in ("ln_q", "ln_k", "ln_inner", "logit_scale", "head_scale")]
    extras += [getattr(block, "ln_attn", None), getattr(block.mlp, "ln", None)]
    return all(extra is None or isinstance(extra, nn.Identity) for extra in extras)


def pooled_row(model: nn.Module):
    """The function ids (B, T) -> pooled row (B,), None where captions are not pooled at their EOS."""
    if hasattr(model, "text"):
        kind, eos = model.text.pool_type, model.text.eos_id
    else:
        kind, eos = model.text_pool_type, model.text_eos_id
    return first(eos) if kind == "eos" else highest if kind == "argmax" else None


def pixel_format(model: nn.Module):
    """What Preprocess is made of for this model: size, mean, std, squash, resample."""
    from open_clip import get_model_preprocess_cfg

    config, size = get_model_preprocess_cfg(model), model.visual.image_size
    mode = config.get("resize_mode", "shortest")
    if mode not in ("shortest", "squash"):
        raise ValueError(f"this model resizes pictures by '{mode}', which is not known here; "
                         "pass preprocess=nib_utils.inputs.Preprocess(...) to wrap().")
    resample = Image.Resampling.BILINEAR if config.get("interpolation") == "bilinear" else Image.Resampling.BICUBIC
    size = size if isinstance(size, (tuple, list)) else (size, size)
    return tuple(size), tuple(config.get("mean", MEAN)), tuple(config.get("std", STD)), mode == "squash", resample


class Source(NamedTuple):
    """An open_clip model before it is made."""

    name: str
    config: dict
    pixels: dict  # how pictures are made into pixels, as far as it says
    file: Path
    quick_gelu: bool | None = None  # whether it was trained with QuickGELU, None where only the weights may tell


def load(rest: str):
    """An open_clip model: "ARCH@TAG", "ARCH@FILE" or "local-dir:FOLDER".

    A published TAG says itself whether it was trained with QuickGELU, and so does a FILE of OpenAI's own; any other
    FILE does not, so there ARCH has to (weights that OpenAI trained need one that ends in -quickgelu).
    """
    open_clip = need("open_clip", "open_clip_torch")
    if rest.startswith("local-dir:"):
        source = in_folder(Path(rest.removeprefix("local-dir:")).expanduser())
    else:
        source = choose(open_clip, *rest.partition("@")[::2])
    checkpoint = read_checkpoint(source.file)
    config = with_activation(source, checkpoint.quick_gelu)
    try:
        model = build(open_clip, config, source.pixels, checkpoint.state)
    except Exception as error:
        raise ValueError(f"'open_clip:{rest}' does not load ({first_line(error)}); check that the weights belong to "
                         "the architecture, or get them again.") from None
    return model, own_tokenizer(source.name, config)


def in_folder(folder: Path) -> Source:
    """The model of a folder with a configuration and weights."""
    file = folder / "open_clip_config.json"
    weights = [held for held in folder.iterdir() if held.suffix in WEIGHTS] if file.is_file() else []
    if not weights:
        what = f"weights ({', '.join(WEIGHTS)})" if file.is_file() else file.name
        raise FileNotFoundError(f"the folder '{folder}' holds no {what}; check the path, or use load_clip('mini').")
    best = min(weights, key=lambda held: (WEIGHTS.index(held.suffix), not held.name.startswith("open_clip"), held.name))
    content = read_json(file)
    return Source(f"local-dir:{folder}", check_config(content.get("model_cfg"), f"local-dir:{folder}"),
                  content.get("preprocess_cfg") or {}, best)


def choose(open_clip, arch: str, source: str) -> Source:
    """The model of an architecture with a published tag, whose weights are fetched if they are not here, or a file."""
    name, archs = arch.replace("/", "-"), open_clip.list_models()
    if name not in archs:
        near = ", ".join(get_close_matches(name, archs, 4, 0.4)) or archs[0]
        raise ValueError(f"open_clip knows no architecture {arch!r}; near it are {near}.")
    tag, file = open_clip.get_pretrained_cfg(name, source), Path(source).expanduser()
    config = check_config(open_clip.get_model_config(name), name)
    if tag:
        return Source(name, config, tag, fetch(f"{name}@{source}", tag), bool(tag.get("quick_gelu")))
    if source and (file.suffix or "/" in source or file.is_file()):
        return Source(name, config, {}, file)
    tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
    raise ValueError(f"{name} has no published weights {source!r}; after the @ goes one of its tags ({tags}) "
                     "or a local file.")


def check_config(config, name: str) -> dict:
    """A configuration whose towers are open_clip's own; others are refused before their parts are fetched."""
    try:
        other = config["vision_cfg"].get("timm_model_name") or config["text_cfg"].get("hf_model_name")
    except (TypeError, KeyError, AttributeError):
        raise ValueError(f"'open_clip:{name}' does not load: its model_cfg has no vision_cfg or no text_cfg; get its "
                         "configuration again.") from None
    if other or "multimodal_cfg" in config:
        raise ValueError(f"'open_clip:{name}' {f'has {other} for a tower' if other else 'also decodes captions'}; what "
                         "can be wrapped is a ViT beside a causal text transformer, both of open_clip.")
    return config


def fetch(name: str, tag: dict) -> Path:
    """The file of published weights, from the cache or the hub, or say where they were looked for."""
    if "file" in tag:
        return Path(tag["file"])
    repository, file = tag["hf_hub"].rsplit("/", 1)
    wanted = [file.replace(".bin", ".safetensors"), file] if file else list(PUBLISHED)
    found = next(filter(None, (find(repository, file) for file in wanted)), None)
    if not found:
        raise FileNotFoundError(f"the weights of {name} are not in {place(repository)}, and could not be downloaded; "
                                "pass a local file after the @, or use load_clip('mini').")
    return found


def with_activation(source: Source, told: bool | None) -> dict:
    """The configuration with the activation that the weights were trained with, where that is known."""
    trained, built = told if source.quick_gelu is None else source.quick_gelu, source.config.get("quick_gelu", False)
    if trained and not built:
        warnings.warn(f"'{source.file.name}' was trained with QuickGELU, so {source.name} is built with it, which "
                      "open_clip leaves to its caller.", stacklevel=4)
        return source.config | dict(quick_gelu=True)
    if told is False and built:
        raise ValueError(f"'{source.file}' is of a model with GELU, but {source.name} is built with QuickGELU; name "
                         "the architecture without -quickgelu.")
    return source.config


def build(open_clip, config: dict, pixels: dict, state: dict[str, Tensor]) -> nn.Module:
    """The model of a configuration with these weights; positions of another picture size are interpolated."""
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed, resize_text_pos_embed

    kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    model = kind(**{key: value for key, value in config.items() if key != "custom_text"})
    if kind is open_clip.CustomTextCLIP:
        state = convert_to_custom_text_state_dict(state)
    for name in {"logit_scale", "logit_bias"} & state.keys() & model.state_dict().keys():
        state[name] = state[name].reshape(getattr(model, name).shape)  # a number in some files, a list of one in others
    resize_pos_embed(state, model)
    resize_text_pos_embed(state, model)
    model.load_state_dict(state)
    known = {key: value for key, value in pixels.items() if value is not None}
    open_clip.set_model_preprocess_cfg(model, dict(mean=MEAN, std=STD) | known | dict(size=model.visual.image_size))
    return model


def own_tokenizer(name: str, config: dict) -> dict[str, Tokenizer]:
    """The model's own tokenizer as an option of wrap(); most read CLIP's."""
    from open_clip.tokenizer import HFTokenizer

    words = config["text_cfg"].get("hf_tokenizer_name")
    if not words:
        return {}
    source = name.removeprefix("local-dir:") if name.startswith("local-dir:") else words
    folder = tokenizer_folder(source)
    if not folder:
        raise FileNotFoundError(f"{name} has the tokenizer {words}, which is not in {place(source)}; {OFFLINE}.")
    options = config["text_cfg"].get("tokenizer_kwargs", {}) | dict(local_files_only=True, trust_remote_code=False)

    def read(path: str):
        tokenizer = HFTokenizer(path, **options)
        return tokenizer.tokenizer, tokenizer.clean_fn

    return dict(tokenizer=read_tokenizer(folder, read))
