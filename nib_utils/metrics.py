"""Confidence Drop and Increase: does the model still see the caption when only the explained part is left?"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .clip import Clip
from .explain import default_batch
from .inputs import pad
from .similarity import cosine
from .towers import Tower

PROTOCOLS = ("published", "corrected")


@torch.no_grad()
def confidence(clip: Clip, images, texts, image_maps, text_maps, protocol: str = "published", *,
               truncate: bool = False, batch_size: int | None = None) -> pd.DataFrame:
    """Drop, `100 max(0, before - after)`, and Increase, `100 [after > before]`, of the cosine, a row per pair.

    image_maps: (B, H, W) in 0..1; text_maps: B arrays (T_b,) with SOS and EOS, as `explain` gives them.
    "published" is the released evaluation with its defects: normalised pixels times the map, so that a
    bright map loses little; a caption without SOS and EOS, pooled at its largest id, a repeated word
    dimmed once per occurrence. "corrected" keeps the better half of each map: the upper half of the
    pixels on the mean colour, the upper half of the words in a whole caption; where a map has no
    preference, chance chooses. Columns image_drop, image_increase, text_drop, text_increase, in percent.
    Raises ValueError for maps whose number or shape does not fit.

    >>> ex = nib.explain(clip, images, texts)
    >>> nib.confidence(clip, images, texts, ex.image, ex.text, protocol="corrected").mean()
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"no protocol is called {protocol!r}; there are {', '.join(PROTOCOLS)}.")
    pixels, ids = clip.pixels(images), clip.ids(texts, truncate)
    maps, words = check_maps(pixels, ids, image_maps, text_maps)
    mask_image, text_pair = (dim_pixels, dim_words) if protocol == "published" else (keep_pixels, keep_words)
    step, frames = batch_size or default_batch(clip), []
    for first in range(0, len(ids), step):
        pairs = slice(first, first + step)
        x = pixels[pairs]
        image = clip.image(x)
        caption = clip.text(pad(ids[pairs]))
        masked = clip.image(mask_image(x, maps[pairs].to(x.device)))
        before, after = text_pair(clip.text, ids[pairs], words[pairs])
        frames.append(pd.DataFrame(
            change(cosine(image, caption), cosine(masked, caption), "image")
            | change(cosine(image, before), cosine(image, after), "text")))
    return pd.concat(frames, ignore_index=True)


def change(before: Tensor, after: Tensor, kind: str) -> dict[str, np.ndarray]:
    return {f"{kind}_drop": (100 * (before - after).clamp(min=0)).double().cpu().numpy(),
            f"{kind}_increase": (100 * (after > before).double()).cpu().numpy()}


def check_maps(pixels: Tensor, ids: list[Tensor], image_maps, text_maps) -> tuple[Tensor, list[Tensor]]:
    maps, words = ([torch.as_tensor(m).float().cpu() for m in given] for given in (image_maps, text_maps))
    if not len(pixels) == len(ids) == len(maps) == len(words):
        raise ValueError(f"{len(pixels)} images, {len(ids)} captions, {len(maps)} image maps and {len(words)} text "
                         "maps were given; pass as many of each.")
    for i, (m, caption) in enumerate(zip(words, ids)):
        if maps[i].shape != pixels.shape[-2:]:
            raise ValueError(f"image map {i} has shape {tuple(maps[i].shape)}; it must be {tuple(pixels.shape[-2:])}.")
        if m.shape != caption.shape:
            raise ValueError(f"text map {i} has shape {tuple(m.shape)}, but its caption has {len(caption)} tokens "
                             "with SOS and EOS.")
        for values in (m, maps[i]):
            if not values.isfinite().all():
                raise ValueError(f"a map of pair {i} contains NaN or infinity.")
            low, high = values.min().item(), values.max().item()
            if low < -1e-6 or high > 1 + 1e-6:
                raise ValueError(f"a map of pair {i} runs from {low:.3g} to {high:.3g}; maps lie in 0..1.")
    return torch.stack(maps), words


# published: everything is dimmed by the map


def dim_pixels(x: Tensor, maps: Tensor) -> Tensor:
    """Normalised pixels (B, 3, H, W) times the map (B, H, W)."""
    return x * maps[:, None]


def dim_words(tower: Tower, ids: Sequence[Tensor], maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Features (B, E) of the captions without SOS and EOS, before and after their vocabulary rows are dimmed."""
    bare = [i[1:-1] for i in ids]
    powers = []
    for caption, m in zip(bare, maps):
        same = caption[:, None] == caption  # (T, T): a repeated token shares one row, dimmed once per occurrence
        powers.append(torch.where(same, m[1:-1].to(caption.device), 1.0).prod(1))
    x = pad(bare)
    scale = torch.nn.utils.rnn.pad_sequence(powers, batch_first=True)[..., None]
    vocabulary, positions = tower.parts["vocabulary"], tower.parts["positions"][: x.shape[1]]
    at = torch.stack([caption.argmax() for caption in bare])

    def feature(scale):
        tokens = (vocabulary[x] * scale + positions).to(tower.dtype)
        return tower.finish(tower.pre(tokens), 0, at)

    return feature(torch.ones_like(scale)), feature(scale)


# corrected: the better half is kept as it is, the rest is taken away


def keep_pixels(x: Tensor, maps: Tensor) -> Tensor:
    """The upper half of the pixels by the map, on the mean colour; ties are broken by chance, patch by patch."""
    H, W = maps.shape[-2:]
    chance = np.random.default_rng(0).permutation(49).reshape(7, 7)
    chance = np.kron(chance, np.ones((-(-H // 7), -(-W // 7))))[:H, :W].ravel()
    shuffled = torch.from_numpy(np.argsort(chance, kind="stable")).to(x.device)
    flat = maps.flatten(1)[:, shuffled]
    best = shuffled[flat.argsort(dim=1, descending=True, stable=True)[:, : H * W // 2]]
    keep = torch.zeros_like(maps).flatten(1).scatter_(1, best, 1.0).view_as(maps)
    return x * keep[:, None]


def keep_words(tower: Tower, ids: Sequence[Tensor], maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Features (B, E) of the whole captions, and of the captions of only the upper half of their words."""
    kept = []
    for caption, m in zip(ids, maps):
        inner = len(caption) - 2
        shuffled = torch.from_numpy(np.random.default_rng(0).permutation(inner))
        order = shuffled[m[1:-1].cpu()[shuffled].argsort(descending=True, stable=True)]
        best = 1 + order[: -(-inner // 2)].sort().values.to(caption.device)
        kept.append(torch.cat([caption[:1], caption[best], caption[-1:]]))
    before, after = tower(pad(ids)), tower(pad(kept))
    whole = torch.tensor([len(k) == len(i) for k, i in zip(kept, ids)], device=before.device)
    return before, torch.where(whole[:, None], before, after)  # rounding is no change where nothing was removed
