"""CLIPs of transformers as two towers."""
from __future__ import annotations

import warnings
from pathlib import Path

from torch import nn

from ..common.packages import first_line, need
from .blocks import Block
from .captions import Tokenizer
from .hub import OFFLINE, find, has_tokenizer, place, read_json, read_tokenizer
from .parts import activation, first, highest, image_tower, linear, norm, text_tower
from .pictures import MEAN, STD, Preprocess
from .tower import Tower

LEGACY_EOS = 2  # what configs said before transformers 4.31; such models pool at the highest id


def towers(model: nn.Module, borrow) -> tuple[Tower, Tower]:
    """(image, text) towers of a `transformers.CLIPModel`, whatever attention implementation it was made with."""
    from transformers import CLIPModel

    if not isinstance(model, CLIPModel):
        raise ValueError(f"a transformers {type(model).__name__} cannot be wrapped; pass a CLIPModel, which has both "
                         "towers.")
    vision, language = model.vision_model, model.text_model

    def block(module, causal):
        attn = module.self_attn
        return Block(
            heads=attn.num_heads, norm1=norm(module.layer_norm1, borrow), q=linear(attn.q_proj, borrow),
            k=linear(attn.k_proj, borrow), v=linear(attn.v_proj, borrow), out=linear(attn.out_proj, borrow),
            norm2=norm(module.layer_norm2, borrow), fc1=linear(module.mlp.fc1, borrow),
            act=activation(module.mlp.activation_fn), fc2=linear(module.mlp.fc2, borrow), causal=causal)

    pixels, words = vision.embeddings, language.embeddings
    side = pixels.image_size // pixels.patch_size
    image = image_tower(
        pixels.patch_embedding, pixels.class_embedding, pixels.position_embedding.weight, (side, side),
        norm(vision.pre_layrnorm, borrow), [block(b, False) for b in vision.encoder.layers],
        norm(vision.post_layernorm, borrow), linear(model.visual_projection, borrow), borrow)
    at = highest if language.eos_token_id == LEGACY_EOS else first(language.eos_token_id)
    text = text_tower(
        words.token_embedding.weight, words.position_embedding.weight, at,
        [block(b, True) for b in language.encoder.layers], norm(language.final_layer_norm, borrow),
        linear(model.text_projection, borrow), words.token_embedding.weight.dtype, borrow)
    return image, text


def pixel_format(model: nn.Module):
    """What Preprocess is made of for this model: size, mean, std; a model's config knows only the size."""
    side = model.config.vision_config.image_size
    return (side, side), MEAN, STD


def load(rest: str):
    """A CLIPModel by hub name or from a folder, with its own tokenizer and pixel statistics where it brings them."""
    transformers = need("transformers", "transformers")
    folder = Path(rest).expanduser()
    source = str(folder) if folder.is_dir() else rest
    config = find(source, "config.json")
    if not config:
        raise FileNotFoundError(f"there is no config.json of '{rest}' in {place(source)}; {OFFLINE}.")
    kind = read_json(config).get("model_type")
    if kind != "clip":
        raise ValueError(f"'{rest}' has model_type {kind!r}; only 'clip', a CLIPModel of transformers, can be loaded.")
    if folder.is_dir() and not any(file.suffix in (".safetensors", ".bin") for file in folder.iterdir()):
        raise FileNotFoundError(f"there are no weights (.safetensors, .bin) of '{rest}' in {place(source)}; {OFFLINE}.")
    options = dict(output_loading_info=True, ignore_mismatched_sizes=True)  # what does not match is named below
    try:
        model, info = transformers.CLIPModel.from_pretrained(source, **options)
    except Exception as error:
        if isinstance(error, OSError) and not folder.is_dir():
            raise FileNotFoundError(f"the weights of '{rest}' are not in {place(source)} and could not be downloaded "
                                    f"({first_line(error)}); {OFFLINE}.") from None
        raise ValueError(f"the weights of '{rest}' do not load ({first_line(error)}); get them again.") from None
    wrong = [*info["missing_keys"], *(name if isinstance(name, str) else name[0] for name in info["mismatched_keys"])]
    if wrong:
        raise ValueError(f"the weights of '{rest}' lack parameters or have them in another shape ({len(wrong)}, the "
                         f"first is {min(wrong)}); get them again.")
    return model, own_preprocess(source, model) | own_tokenizer(source)


def own_preprocess(source: str, model: nn.Module) -> dict[str, Preprocess]:
    """The model's own resizing and pixel statistics as an option of wrap(), none where it brings none."""
    file = find(source, "preprocessor_config.json")
    config = read_json(file) if file else {}
    if not file and (file := find(source, "processor_config.json")):  # what transformers 5 writes
        config = read_json(file).get("image_processor", {})
    if not config:
        return {}
    size, mean, std = pixel_format(model)
    asked = config.get("size", size[0])
    squash = isinstance(asked, dict) and "height" in asked
    short = asked.get("shortest_edge", size[0]) if isinstance(asked, dict) else asked
    if short != size[0]:
        warnings.warn(f"'{source}' resizes pictures to {short} before it crops {size[0]}; here they are resized to "
                      f"{size[0]}.", stacklevel=4)
    return dict(preprocess=Preprocess(size, tuple(config.get("image_mean", mean)), tuple(config.get("image_std", std)),
                                      squash, config.get("resample", Preprocess.resample)))


def own_tokenizer(source: str) -> dict[str, Tokenizer]:
    """The model's own tokenizer as an option of wrap(); one that brings none reads CLIP's."""
    if not has_tokenizer(source):
        return {}
    return dict(tokenizer=read_tokenizer(need("transformers", "transformers").AutoTokenizer.from_pretrained(source)))
