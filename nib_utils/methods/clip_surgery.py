"""CLIP Surgery's consistent attention: values attend to values, and every patch is asked for itself."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.blocks import Block
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from .register import method


@method(title="CLIP Surgery", group="rival", source="Li et al., 2023", forwards=1.4, attention=True,
        signed=True)
@torch.no_grad()
def clip_surgery(tower: Tower, reading: Reading, target: Tensor, *, first: int | None = None) -> Tensor:
    """Cosine of every token, led down a second path of value-value attention, with the target: signed scores (B, T).

    The second path leaves the first at block `first` (half of the depth by default, 0..L-1; ValueError otherwise),
    adds `softmax(v v^T / sqrt d) v` of the first path's stream at each block, and no MLP. Captions keep their causal
    mask. The feature surgery of the paper, which compares many captions, is left out: here is one pair.
    Source: CLIP Surgery, Li et al., its architecture surgery.

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = clip_surgery(clip.image, reading, clip.encode_text("a cat"))
    """
    first = tower.depth // 2 if first is None else first
    if not 0 <= first < tower.depth:
        raise ValueError(f"clip_surgery: first is {first}; the {tower.kind} tower has blocks 0..{tower.depth - 1}.")
    path = reading.stream(first)
    for block, h in zip(tower.blocks[first:], reading.streams[first:]):
        path = path + torch.cat([consistent(block, x) for x in h.split(reading.rows)])
    return cosine(tower.head(path), target[:, None])


def consistent(block: Block, h: Tensor) -> Tensor:
    """What value-value attention adds to the stream, (B, T, D)."""
    x = block.norm1(h)
    v = block.split(block.v(x))  # (B, heads, T, d)
    mixed = F.scaled_dot_product_attention(v, v, v, is_causal=block.causal)
    y = block.out(mixed.transpose(1, 2).flatten(2))
    return y if block.scale1 is None else y * block.scale1
