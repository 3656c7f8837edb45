"""`mini`, the embedded CLIP: how its file is written and read."""
from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as packed
from torch import Tensor, nn

from ..common.files import data_file, write_whole

FILE = data_file("mini.safetensors")
VOCABULARY = 49408
ROWS = "token_embedding.weight"


def load(file: str | Path = FILE) -> nn.Module:
    """The trained model as a `clip.model.CLIP`, float32; words that its world does not have are embedded as zeros."""
    from .from_openai import build

    try:
        state = load_file(file)
        ids, known = state.pop("token_ids"), state[ROWS].float()
    except (OSError, SafetensorError, KeyError) as error:
        raise ValueError(f"'{file}' does not hold the weights of mini ({error}); check it out again.") from None
    state[ROWS] = known.new_zeros(VOCABULARY, known.shape[1]).index_copy_(0, ids, known)
    return build(state, str(file))


def save(state: dict[str, Tensor], ids: list[int], file: str | Path) -> None:
    """Write a trained state dict, rounded to half precision (10 MB); its token embedding has only the rows `ids`."""
    state = {name: value.detach().half().contiguous() for name, value in state.items()}
    write_whole(file, lambda part: part.write_bytes(packed(state | {"token_ids": torch.tensor(ids)})))
