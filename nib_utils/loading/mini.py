"""`mini` and `mini-hard`, the embedded CLIPs: how their files are written and read."""
from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as packed
from torch import Tensor

from ..common.files import data_file, write_whole

EMBEDDED = ("mini", "mini-hard")
VOCABULARY = 49408
ROWS, IDS = "token_embedding.weight", "token_ids"


def file_of(name: str) -> Path:
    """The file of an embedded model."""
    return data_file(f"{name}.safetensors")


def load(file: str | Path) -> dict[str, Tensor]:
    """The trained state dict of a `clip.model.CLIP`; words that its world does not have are embedded as zeros."""
    try:
        state = load_file(file)
        ids, known = state.pop(IDS), state[ROWS].float()
        state[ROWS] = known.new_zeros(VOCABULARY, known.shape[1]).index_copy_(0, ids, known)
    except (OSError, SafetensorError, LookupError, RuntimeError) as error:
        raise ValueError(f"'{file}' does not hold an embedded model's weights ({error}); check it out again."
                         ) from None
    return state


def save(state: dict[str, Tensor], ids: list[int], file: str | Path) -> None:
    """Write a trained state dict, rounded to half precision (10 MB); its token embedding has only the rows `ids`."""
    state = {name: value.detach().half().contiguous() for name, value in state.items()}
    write_whole(file, lambda part: part.write_bytes(packed(state | {IDS: torch.tensor(ids)})))
