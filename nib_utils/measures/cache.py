"""What is measured of many pairs, kept in a file, so that an interrupted evaluation goes on."""
from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..clip.clip import Clip
from ..common.digests import code
from ..common.files import check_writable, write_whole
from ..data.pairs import manifest

MARK = "# sha256 "  # before the checksum of the lines below it


def fingerprint(clip: Clip, pairs: pd.DataFrame, method: str, options: dict, *rest) -> str:
    """A name for exactly this work: the weights, pairs, method and options, all that its repr tells of the rest, and
    the package's code.
    """
    digest = hashlib.sha256((weights(clip) + code()).encode())
    for image in pairs["image"]:
        if isinstance(image, (str, Path)) and (path := Path(image).resolve()).is_file():
            state = path.stat()  # a file of the same name may hold another picture
            digest.update(f"{path} {state.st_size} {state.st_mtime_ns}".encode())
    for given in (options, *options.values()):
        for value in given.values() if isinstance(given, dict) else ():
            if isinstance(value, torch.Tensor):  # its repr leaves most of it out
                digest.update(value.detach().float().cpu().numpy().tobytes())
    words = [clip.name, str(clip.dtype), clip.preprocess, manifest(pairs), method, options, *rest]
    return f"{method}-{hashlib.sha256(digest.digest() + repr(words).encode()).hexdigest()[:24]}"


def of_column(values: Iterable) -> str:
    """The SHA-256 of a column of truths, hex: arrays, tensors or lists of words, or tuples of them."""
    digest = hashlib.sha256()
    for value in values:
        for part in value if isinstance(value, tuple) else (value,):
            digest.update(np.asarray(part).tobytes())
    return digest.hexdigest()


def weights(clip: Clip) -> str:
    """The SHA-256 of a model's parameters, hex."""
    digest = hashlib.sha256()
    for parameter in clip.model.parameters():
        digest.update(parameter.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()


def write(file: Path, rows: pd.DataFrame) -> None:
    """Keep the rows, under a line with their checksum; of several processes at one file, the last one's stay."""
    text = rows.to_csv(index=False)
    write_whole(file, lambda part: part.write_text(f"{MARK}{checksum(text)}\n{text}", encoding="utf-8"))


def read(file: Path) -> pd.DataFrame:
    """The rows as they were kept; none, with a warning, of a file that is not as `write` left it.

    Raises ValueError, before anything is measured, where its folder cannot be written to.
    """
    check_writable(file.parent, "the folder of the cache")
    if not file.exists():
        return pd.DataFrame()
    mark, _, text = file.read_text(encoding="utf-8", errors="replace").partition("\n")
    if mark != MARK + checksum(text):
        warnings.warn(f"'{file}' was changed since it was written, so it is not believed; its pairs are measured anew.",
                      stacklevel=3)
        return pd.DataFrame()
    return pd.read_csv(StringIO(text))


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
