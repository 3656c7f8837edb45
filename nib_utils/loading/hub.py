"""The files of a model in a folder, in the Hugging Face cache or on the hub, and its own tokenizer."""
from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

from ..clip.captions import Tokenizer
from ..common.packages import first_line, need

OFFLINE = "pass a folder that holds it, or use load_clip('mini')"
PATIENCE = 2.5  # seconds in which a server has to answer before it counts as out of reach
TOKENIZER = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
             "added_tokens.json")


def find(source: str, name: str) -> Path | None:
    """A file of a folder or of a hub repository (in its cache, or else downloaded), None where there is none."""
    if Path(source).is_dir():
        return Path(source, name) if Path(source, name).is_file() else None
    hub = need("huggingface_hub", "huggingface_hub")
    try:
        held = hub.try_to_load_from_cache(source, name)
        if held is None and hub_reachable():  # neither there nor known to be missing
            held = hub.hf_hub_download(source, name)
    except (OSError, ValueError):
        return None
    return Path(held) if isinstance(held, str) else None


def hub_reachable() -> bool:
    """Whether the hub may be asked and answers."""
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and reachable(constants.ENDPOINT)


def reachable(url: str) -> bool:
    """Whether a server answers at once; its own library would retry for half a minute. Known for a minute."""
    return asked(url, int(time.monotonic() // 60))


@lru_cache(maxsize=8)
def asked(url: str, minute: int) -> bool:
    answers = []

    def ask():
        try:
            urlopen(Request(url, method="HEAD"), timeout=PATIENCE).close()
            answers.append(True)
        except (OSError, ValueError) as error:  # a refusal is an answer, too, and so is a certificate unknown to urllib
            unknown = isinstance(getattr(error, "reason", None), ssl.SSLError)
            answers.append(unknown or getattr(error, "code", 500) < 500)

    thread = Thread(target=ask, daemon=True)  # looking up a name cannot be given a limit otherwise
    thread.start()
    thread.join(PATIENCE)
    return answers == [True]


def place(source: str) -> str:
    """Where the files of a model are looked for, in words."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if Path(source).is_dir():
        return "that folder"
    hub = "does not give it" if hub_reachable() else "cannot be reached"
    return f"the Hugging Face cache '{HF_HUB_CACHE}', nor is '{source}' a folder, and the hub {hub}"


def read_json(file: Path) -> dict:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{file}' is not JSON of names and values ({first_line(error)}); get it again.") from None
    return content


def tokenizer_folder(source: str) -> Path | None:
    """Where its tokenizer's files are, fetched where they are not here; None where it brings none."""
    files = [find(source, name) for name in TOKENIZER]
    return next((file.parent for file in files[:2] if file), None)


def read_tokenizer(folder: Path, load: Callable) -> Tokenizer:
    """A tokenizer of transformers as ours: SOS and EOS are its own, or else its CLS and SEP.

    load: makes it from the folder, and the function that cleans a sentence before.
    """
    try:
        words, clean = load(str(folder))
        ids = words("a").input_ids
    except Exception as error:
        files = ", ".join(name for name in TOKENIZER if (folder / name).is_file())
        raise ValueError(f"the tokenizer in '{folder}' ({files}) does not load ({first_line(error)}); get its files "
                         "again.") from None
    sos = words.cls_token_id if words.bos_token_id is None else words.bos_token_id
    eos = words.sep_token_id if words.eos_token_id is None else words.eos_token_id
    if not ids or (ids[0], ids[-1]) != (sos, eos):
        raise ValueError(f"the {type(words).__name__} of this model does not put captions between SOS and EOS, which "
                         "explanations of words rely on.")
    said = lambda ids: words.decode(ids, clean_up_tokenization_spaces=False)  # which would glue commas to words
    return Tokenizer(lambda text: [sos, *words(clean(text), add_special_tokens=False, verbose=False).input_ids, eos],
                     lambda i: said([i]).strip(), sos, eos, said)
