"""Does each word, read inside its caption, point at the object that it speaks of?"""
from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from ..clip.clip import Clip
from ..common.checks import need_columns
from ..data.world.owners import word_objects
from ..data.world.scenes import ATTRIBUTES
from .localization import pointing
from .masks import left, seen


def span_pointing(found, pairs: pd.DataFrame, clip: Clip) -> pd.DataFrame:
    """Whether the strongest pixel of a word's map, or of a phrase's, lies on its object: a row each.

    found: the `word_maps` of these pairs, or anything with their `maps` and `span`; pairs: drawn ones. Columns pair;
    object; words, "phrase" for all four of an object, or what one alone says (size, texture, colour, shape);
    pointing, 0..1; chance, the share of the picture that the object covers. Raises ValueError for other pairs than
    were mapped.

    >>> found = nib.word_maps(clip, list(pairs.image), list(pairs.caption))
    >>> nib.span_pointing(found, pairs, clip).groupby("words")["pointing"].mean()
    """
    need_columns(pairs, "image", "caption", "masks", "objects")
    if len(found.maps) != len(pairs):
        raise ValueError(f"there are maps of {len(found.maps)} captions and {len(pairs)} pairs; pass the same pairs.")
    rows, maps_of = [], found.maps  # made once: they are as large as the pictures
    for b, (_, pair) in enumerate(pairs.iterrows()):
        owners = word_objects(pair)  # (words, objects)
        if len(maps_of[b]) != len(owners):
            raise ValueError(f"pair {b} has maps of {len(maps_of[b])} words, but its caption has {len(owners)}; "
                             "pass the pairs that were mapped, of a model whose tokens are its words.")
        masks = torch.from_numpy(np.stack([seen(mask, pair.image, f"pair {b}, {phrase!r}", clip.preprocess)
                                           for mask, phrase in zip(pair.masks, pair.phrases)]))
        left(masks, list(pair.phrases), "raise")
        for thing, mask in enumerate(masks):
            places = np.flatnonzero(owners[:, thing])
            maps = [found.span(b, places[0], places[-1] + 1), *maps_of[b][places]]
            hits = pointing(torch.stack(maps).float(), mask.expand(len(maps), -1, -1)).tolist()
            rows += [{"pair": b, "object": thing, "words": words, "pointing": hit, "chance": float(mask.float().mean())}
                     for words, hit in zip(("phrase", *ATTRIBUTES), hits)]
    return pd.DataFrame(rows, columns=["pair", "object", "words", "pointing", "chance"])
