"""A second model to change, while the first stays as it is."""
from __future__ import annotations

from copy import deepcopy

from torch import Tensor

from ..clip.blocks import Block
from ..clip.clip import Clip
from ..loading.live.wrap import wrap


def copy_of(clip: Clip, suffix: str) -> Clip:
    """The same CLIP on weights of its own, named `<name> <suffix>`; changing it in place leaves `clip` alone."""
    model, name = deepcopy(clip.model), f"{clip.name} {suffix}"
    return wrap(model, preprocess=clip.preprocess, tokenizer=clip.tokenizer, name=name)


def weights(part) -> list[Tensor]:
    """The tensors of a norm, a linear layer or a whole block, as the views that its tower computes with."""
    if isinstance(part, Block):
        layers = (part.norm1, part.q, part.k, part.v, part.out, part.norm2, part.fc1, part.fc2)
        own = [tensor for layer in layers for tensor in weights(layer)]
        return own + [scale for scale in (part.scale1, part.scale2) if scale is not None]
    found = [getattr(part, name, None) for name in ("weight", "bias")]
    return [tensor for tensor in found if isinstance(tensor, Tensor)]
