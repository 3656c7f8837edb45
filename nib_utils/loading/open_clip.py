"""open_clip models: published weights, a file, or a folder."""
from __future__ import annotations

import warnings
from difflib import get_close_matches
from os.path import expanduser
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from ..clip.captions import Tokenizer
from ..clip.pictures import MEAN, STD
from ..common.packages import first_line, need
from .checkpoints import read_checkpoint
from .hub import OFFLINE, find, place, read_json, read_tokenizer, tokenizer_folder

WEIGHTS = (".safetensors", ".bin", ".pth")  # what a folder's are in, the first preferred
PUBLISHED = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # what a repository's are in


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
        source = in_folder(Path(expanduser(rest.removeprefix("local-dir:"))))
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
    tag, file = open_clip.get_pretrained_cfg(name, source), Path(expanduser(source))
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
        raise FileNotFoundError(f"the weights of {name} are not in {place(repository)}; pass a local file after the @, "
                                "or use load_clip('mini').")
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
    unsaved = dict(model.named_buffers()).keys() - model.state_dict().keys()  # a mask, which TorchScript saves, too
    state = {name: value for name, value in state.items() if name not in unsaved}
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
