"""The files of a model in a folder or in the Hugging Face cache, and its own tokenizer."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..common.packages import first_line, need
from .blocks import identity
from .captions import Tokenizer

OFFLINE = "pass a folder that holds it, or use load_clip('mini')"


def find(source: str, name: str) -> Path | None:
    """A file of a folder or of a hub repository (in its cache, or downloaded), None where there is none."""
    if Path(source).is_dir():
        return Path(source, name) if Path(source, name).is_file() else None
    try:
        return Path(need("transformers.utils", "transformers").cached_file(source, name))
    except (OSError, ValueError):
        return None


def place(source: str) -> str:
    """Where the files of a model are looked for, in words."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if Path(source).is_dir():
        return "that folder"
    return f"the Hugging Face cache '{HF_HUB_CACHE}', nor is '{source}' a folder"


def read_json(file: Path) -> dict:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{file}' is not JSON ({first_line(error)}); get it again.") from None


def has_tokenizer(source: str) -> bool:
    """Whether its files are there; transformers 5 makes an empty tokenizer where there are none."""
    return bool(find(source, "tokenizer.json") or find(source, "vocab.json"))


def read_tokenizer(words, clean: Callable[[str], str] = identity) -> Tokenizer:
    """A tokenizer of transformers as ours: SOS and EOS are its own, or else its CLS and SEP."""
    sos = words.cls_token_id if words.bos_token_id is None else words.bos_token_id
    eos = words.sep_token_id if words.eos_token_id is None else words.eos_token_id
    ids = words("a").input_ids
    if (ids[0], ids[-1]) != (sos, eos):
        raise ValueError(f"the {type(words).__name__} of this model does not put captions between SOS and EOS, which "
                         "explanations of words rely on.")
    return Tokenizer(lambda text: [sos, *words(clean(text), add_special_tokens=False, verbose=False).input_ids, eos],
                     lambda i: words.decode([i]).strip(), sos, eos)
