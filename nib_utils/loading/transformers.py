"""CLIPs of transformers: from a folder, or from the hub."""
from __future__ import annotations

import math
import warnings
from os.path import expanduser
from pathlib import Path

from PIL import Image
from torch import nn

from ..clip.blocks import identity
from ..clip.captions import Tokenizer
from ..clip.pictures import Preprocess
from ..common.packages import first_line, need
from .hub import OFFLINE, find, hub_reachable, place, read_json, read_tokenizer, tokenizer_folder
from .live.transformers import pixel_format


def load(rest: str):
    """A CLIPModel by hub name or from a folder, with its own tokenizer and pixel statistics where it brings them."""
    transformers = need("transformers", "transformers")
    folder = Path(expanduser(rest))
    source = str(folder) if folder.is_dir() else rest
    config = find(source, "config.json")
    if not config:
        raise FileNotFoundError(f"there is no config.json of '{rest}' in {place(source)}; {OFFLINE}.")
    kind = read_json(config).get("model_type")
    if kind != "clip":
        raise ValueError(f"'{rest}' has model_type {kind!r}; only 'clip', a CLIPModel of transformers, can be loaded.")
    if folder.is_dir() and not any(file.suffix in (".safetensors", ".bin") for file in folder.iterdir()):
        raise FileNotFoundError(f"there are no weights (.safetensors, .bin) of '{rest}' in {place(source)}; {OFFLINE}.")
    try:
        model, info = read_model(transformers.CLIPModel, source)
    except Exception as error:
        if isinstance(error, OSError) and not folder.is_dir():
            raise FileNotFoundError(f"the weights of '{rest}' are not in {place(source)} "
                                    f"({first_line(error)}); {OFFLINE}.") from None
        raise ValueError(f"the weights of '{rest}' do not load ({first_line(error)}); get them again.") from None
    wrong = [*info["missing_keys"], *(name if isinstance(name, str) else name[0] for name in info["mismatched_keys"])]
    if wrong:
        raise ValueError(f"the weights of '{rest}' lack parameters or have them in another shape ({len(wrong)}, the "
                         f"first is {min(wrong)}); get them again.")
    return model, own_preprocess(source, model) | own_tokenizer(source)


def read_model(kind: type, source: str) -> tuple[nn.Module, dict]:
    """A model and what its weights left out, from its folder or the cache, and only then from the hub."""
    options = dict(output_loading_info=True, ignore_mismatched_sizes=True)  # what does not match is named by `load`
    try:
        return kind.from_pretrained(source, local_files_only=True, **options)
    except OSError:
        if Path(source).is_dir() or not hub_reachable():
            raise
    return kind.from_pretrained(source, **options)


def own_preprocess(source: str, model: nn.Module) -> dict[str, Preprocess]:
    """The model's own resizing and pixel statistics as an option of wrap(), none where it brings none."""
    file = find(source, "preprocessor_config.json")
    config = read_json(file) if file else {}
    if not file and (file := find(source, "processor_config.json")):  # what transformers 5 writes
        config = read_json(file).get("image_processor", {})
    if not config:
        return {}
    (side, _), mean, std = pixel_format(model)
    try:
        asked = config.get("size", side)
        squash = isinstance(asked, dict) and "height" in asked
        short = int(asked.get("shortest_edge", side) if isinstance(asked, dict) else asked)
        mean, std = (tuple(map(float, config.get(key, own))) for key, own in (("image_mean", mean), ("image_std", std)))
        resample = Image.Resampling(config.get("resample", Preprocess.resample))
        if len(mean) != 3 or len(std) != 3 or not all(0 < value < math.inf for value in std):
            raise ValueError(f"image_mean is {mean} and image_std {std}")
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"'{file}' does not say how pictures are made into pixels ({first_line(error)}); get it "
                         "again.") from None
    if short != side:
        warnings.warn(f"'{source}' resizes pictures to {short} before it crops {side}; here they are resized to "
                      f"{side}.", stacklevel=4)
    return dict(preprocess=Preprocess((side, side), mean, std, squash, resample))


def own_tokenizer(source: str) -> dict[str, Tokenizer]:
    """The model's own tokenizer as an option of wrap(); one that brings none reads CLIP's."""
    folder, tokenizers = tokenizer_folder(source), need("transformers", "transformers").AutoTokenizer
    if not folder:  # transformers 5 would make an empty one
        return {}
    return dict(tokenizer=read_tokenizer(folder, lambda path: (
        tokenizers.from_pretrained(path, local_files_only=True, trust_remote_code=False), identity)))
