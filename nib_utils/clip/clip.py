"""A CLIP as two towers of residual blocks, with its own reading of pictures and sentences."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .captions import Tokenizer, pad, read_ids, warn_unlearnt
from .pictures import Preprocess
from .pixels import read_pixels
from .tower import Tower


@dataclass(repr=False)
class Clip:
    """A wrapped model: `image` and `text` towers, and how pictures and sentences become their inputs."""

    image: Tower
    text: Tower
    logit_scale: Tensor
    preprocess: Preprocess
    tokenizer: Tokenizer
    context: int  # longest caption in tokens, SOS and EOS included
    vocabulary: int
    name: str
    model: Any  # the library's own model, as it came
    told: set = field(default_factory=set)  # what was warned of, so that it is said once

    def __repr__(self) -> str:
        grid, dtype = "x".join(map(str, self.image.grid)), str(self.dtype).removeprefix("torch.")
        return (f"<Clip {self.name}: image {self.image.depth} blocks of width {self.image.width} on {grid} patches, "
                f"text {self.text.depth} of {self.text.width}, {dtype} on {self.device}>")

    @property
    def device(self) -> torch.device:
        return self.image.device

    @property
    def dtype(self) -> torch.dtype:
        return self.image.dtype

    def pixels(self, images, first: int = 0) -> Tensor:
        """PIL images, paths, or preprocessed pixels -> (B, 3, H, W) float32 on the model's device.

        first: the number of the first of them, when they are a part of more and one cannot be read.
        """
        return read_pixels(images, self.preprocess, first, self.told).to(self.device)

    def ids(self, texts, truncate: bool = False) -> list[Tensor]:
        """Sentences or 1-D id arrays -> ids with SOS and EOS, one (T,) per caption."""
        read = read_ids(texts, self.tokenizer, self.context, self.vocabulary, truncate)
        warn_unlearnt(read, self.text.parts["vocabulary"], self.tokenizer, self.name, self.told)
        return [ids.to(self.device) for ids in read]

    @torch.no_grad()
    def encode_image(self, images, batch_size: int = 32) -> Tensor:
        """Image features (B, E) as the library gives them, not normalised.

        >>> clip.encode_image(["cat.jpg"]).shape
        torch.Size([1, 512])
        """
        return torch.cat([self.image(x) for x in self.pixels(images).split(batch_size)])

    @torch.no_grad()
    def encode_text(self, texts, batch_size: int = 32, truncate: bool = False) -> Tensor:
        """Text features (B, E) as the library gives them, not normalised."""
        ids = self.ids(texts, truncate)
        return torch.cat([self.text(pad(ids[i : i + batch_size])) for i in range(0, len(ids), batch_size)])


def default_batch(clip: Clip) -> int:
    """Pairs at a time such that the cached image streams stay near 200 MB, at most 8."""
    tokens = 1 + clip.image.grid[0] * clip.image.grid[1]
    return max(1, min(8, 50_000_000 // (tokens * clip.image.width * clip.image.depth)))
