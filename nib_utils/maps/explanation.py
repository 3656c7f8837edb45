"""An explanation: what it was made from, what a method says of it, and maps made elsewhere as one of ours."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..clip.captions import as_list
from ..clip.clip import Clip
from ..clip.pictures import read_image
from ..clip.pixels import is_numbers, listed
from ..clip.similarity import cosine
from ..common.checks import brief
from .maps import Word, minmax, shares, upsampled, words_of


@dataclass(repr=False)
class Explanation:
    """What a method says of B pairs; maps are between 0 and 1, scores are as the method gave them.

    It keeps what it was made from, so that a measure reads nothing anew. Raises ValueError for maps that do not
    fit; of a map that was left out there is nothing.
    """

    method: str
    clip: Clip  # the model that was explained
    pixels: Tensor  # (B, 3, H, W), normalised
    ids: list[Tensor]  # (T_b,) each, with SOS and EOS
    captions: list[str]
    features: tuple[Tensor, Tensor]  # (B, E) of the images and of the captions, as the library gives them
    image: Tensor  # (B, H, W), min-maxed after upsampling
    text: list[Tensor]  # (T_b,) each, min-maxed over all tokens, SOS and EOS included
    image_scores: Tensor  # (B, gh, gw), on the token grid; (B, H, W) of a method that scores pixels
    text_scores: list[Tensor]
    blank: dict[str, int] = field(default_factory=dict)  # images and texts in which the method finds nothing
    given: Sequence = ()  # the pictures as they were handed in: PIL images, paths or pixels

    def __post_init__(self):
        check_maps(len(self.ids), self.pixels.shape[-2:], self.ids, self.image, self.text)

    def __repr__(self) -> str:
        return f"<Explanation of {len(self)} pairs by {self.method}>"

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def similarity(self) -> Tensor:
        """The cosine of each pair's features, (B,)."""
        return cosine(*self.features).cpu()

    @cached_property
    def tokens(self) -> list[list[str]]:
        """What each token says, SOS and EOS included."""
        return [self.clip.tokenizer.words(ids.tolist()) for ids in self.ids]

    @cached_property
    def pictures(self) -> list[np.ndarray]:
        """What the model saw, (H, W, 3) uint8 each."""
        return [self.clip.preprocess.undo(x) for x in self.pixels]

    def whole(self, pair: int = 0) -> tuple[np.ndarray, tuple | None]:
        """A picture as it was handed in, (h, w, 3) uint8, and what of it the model saw: left, top, width, height.

        What came as pixels, or cannot be read any more, is what the model saw; of it, and of what it saw whole, the
        second is None.
        """
        given = self.given[pair] if len(self.given) else None
        try:
            picture = None if given is None or is_numbers(given) else read_image(given, f"image {pair}")
        except (OSError, ValueError):
            picture = None
        if picture is None:
            return self.pictures[pair], None
        cropped = self.clip.preprocess.unseen(picture.size) > 0.01
        return np.asarray(picture), self.clip.preprocess.seen(picture.size) if cropped else None

    def heat(self, pair: int = 0) -> Tensor:
        """An image's scores at every pixel, (H, W), as shares of the strongest, -1..1: what pictures show."""
        self.need("image")
        return shares(upsampled(self.image_scores[pair : pair + 1], self.pixels.shape[-2:])[0], located=True)

    def words(self, pair: int = 0) -> list[Word]:
        """The words of a pair's caption with their scores, their pieces put together, without SOS and EOS.

        >>> [(word.text, round(word.share, 2)) for word in ex.words()]
        """
        self.need("text")
        return words_of(self.clip, self.ids[pair], self.text_scores[pair])

    def features_of(self, clip: Clip) -> tuple[Tensor, Tensor]:
        """(B, E) of the images and of the captions as this model reads them; known of the one that was explained."""
        if clip is self.clip:
            return self.features
        return clip.encode_image(self.pixels), clip.encode_text(self.ids)

    def need(self, *kinds: str) -> None:
        """Refuse to go on without the maps of these kinds, "image" or "text"."""
        for kind in kinds:
            if not len(getattr(self, kind)):
                raise ValueError(f"this explanation has no {kind} maps; explain without only=... to have both.")

    def plot(self, **options):
        """A figure, a row per pair: the picture, its heat map, and the caption with its words coloured."""
        self.need("image", "text")
        from .plot import plot_pairs

        return plot_pairs(self, **options)


def explanation(clip: Clip, images, texts, image_maps, text_maps, name: str = "mine", *, scores: bool = False,
                truncate: bool = False) -> Explanation:
    """Maps that another tool made, as an Explanation that every measure and picture takes.

    images, texts, truncate: as for `explain`; image_maps: (B, H, W) at the model's pixels, or (B, gh, gw) of its
    patches; text_maps: B arrays (T_b,), a value per token, SOS and EOS included. They are taken as they are and lie
    in 0..1; or, with `scores`, they are of any range, and become maps as a method's own scores do, stretched to the
    pixels and min-maxed. Raises ValueError for maps that do not fit.

    >>> ex = nib.explanation(clip, images, texts, my_maps, my_words, name="mine")
    >>> nib.confidence(clip, ex, protocol="corrected").mean()
    """
    images, texts = listed(images), as_list(texts)
    pixels, ids = clip.pixels(images), clip.ids(texts, truncate)
    check_count(len(pixels), len(ids))
    raw, words = as_tensors("image map", image_maps), as_tensors("text map", text_maps)
    grids = {clip.image.grid, tuple(pixels.shape[-2:])}
    for i, m in enumerate(raw):
        if tuple(m.shape) not in grids or m.shape != raw[0].shape:
            raise ValueError(f"image map {i} has shape {tuple(m.shape)}; all must be {tuple(pixels.shape[-2:])}, or "
                             f"{clip.image.grid} a value per patch.")
    if not raw:
        raise ValueError("no image maps were given; pass one for each pair.")
    raw = torch.stack(raw)
    maps = upsampled(raw, pixels.shape[-2:])
    image = minmax(maps.flatten(1)).view_as(maps) if scores else maps
    features = clip.encode_image(pixels), clip.encode_text(ids)
    return Explanation(name, clip, pixels, ids, spoken(clip, texts, ids), features, image,
                       [minmax(m) for m in words] if scores else words, raw, words, given=images)


def spoken(clip: Clip, texts: Sequence, ids: Sequence[Tensor]) -> list[str]:
    """Each caption as a sentence, whether it was given as one or as ids."""
    return [text if isinstance(text, str) else " ".join(clip.tokenizer.words(i.tolist())[1:-1])
            for text, i in zip(texts, ids)]


def as_tensors(what: str, maps) -> list[Tensor]:
    """What was handed in, an array or a list of arrays, as float32 tensors on the CPU."""
    try:
        return [torch.as_tensor(m).float().cpu() for m in maps]
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{what}s are a {type(maps).__name__} that cannot be read as numbers; pass an array for each "
                         "pair.") from None


def check_explanation(ex, *kinds: str) -> None:
    """Refuse what is no explanation, or one without the maps of these kinds, "image" or "text"."""
    if not isinstance(ex, Explanation):
        raise TypeError(f"the explanation is {brief(ex)}; pass what explain(...) or explanation(...) gives.")
    ex.need(*kinds)


def check_count(images: int, captions: int) -> None:
    if images != captions:
        raise ValueError(f"{images} images and {captions} captions were given; pass one caption for each image.")


def check_maps(count: int, size: Sequence[int], ids: Sequence[Tensor], image: Tensor, text: Sequence[Tensor]) -> None:
    """Refuse maps that are not there for every pair, or are of another shape, or leave 0..1."""
    for kind, maps in (("image", image), ("text", text)):
        if len(maps) not in (0, count):
            raise ValueError(f"{count} pairs and {len(maps)} {kind} maps were given; pass as many of each.")
        for i, m in enumerate(maps):
            if kind == "image" and tuple(m.shape) != tuple(size):
                raise ValueError(f"image map {i} has shape {tuple(m.shape)}; it must be {tuple(size)}.")
            if kind == "text" and m.shape != ids[i].shape:
                raise ValueError(f"text map {i} has shape {tuple(m.shape)}, but its caption has {len(ids[i])} tokens "
                                 "with SOS and EOS.")
            low, high = m.min().item(), m.max().item()
            if not (np.isfinite(low) and np.isfinite(high)):
                raise ValueError(f"{kind} map {i} contains NaN or infinity.")
            if low < -1e-6 or high > 1 + 1e-6:
                raise ValueError(f"{kind} map {i} runs from {low:.3g} to {high:.3g}; maps lie in 0..1.")
