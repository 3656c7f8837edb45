"""Does a map lie on the object that a phrase names? Measured on exact masks."""
from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from .clip import Clip
from .data_files import need_columns
from .explain import explain


def phrase_pairs(pairs: pd.DataFrame, least: int = 2) -> pd.DataFrame:
    """One row per named object of the scenes with at least `least` objects: image, phrase, mask (H, W) bool."""
    need_columns(pairs, "image", "phrases", "masks")
    rows = [{"image": pair.image, "phrase": phrase, "mask": mask, "objects": len(pair.phrases)}
            for pair in pairs.itertuples() if len(pair.phrases) >= least
            for phrase, mask in zip(pair.phrases, pair.masks)]
    return pd.DataFrame(rows, columns=["image", "phrase", "mask", "objects"])


def pointing(maps: Tensor, masks: Tensor) -> Tensor:
    """Whether the highest pixel of each map (B, H, W) lies in its mask (B, H, W): (B,) of 0 and 1.

    Where several pixels share the maximum, the share of them that lies in the mask: what chance would give.
    """
    top = maps == maps.amax((1, 2), keepdim=True)
    return (top & masks).sum((1, 2)) / top.sum((1, 2))


def mass(scores: Tensor, masks: Tensor) -> Tensor:
    """Share of the positive patch scores (B, gh, gw), spread over the pixels, that lies in the mask: (B,) in 0..1.

    A map without a positive score puts no mass anywhere and gets 0.
    """
    cover = F.adaptive_avg_pool2d(masks.float()[:, None], scores.shape[1:])[:, 0]  # (B, gh, gw): share of each patch
    positive = scores.clamp(min=0)
    return (positive * cover).sum((1, 2)) / positive.sum((1, 2)).clamp(min=torch.finfo(scores.dtype).tiny)


def localize(clip: Clip, phrases: pd.DataFrame, method: str, **options) -> pd.DataFrame:
    """Explain each (image, phrase) and score its image map: columns pointing and mass, a row per phrase.

    >>> phrases = nib.phrase_pairs(nib.load_pairs("shapes", n=50))
    >>> nib.localize(nib.load_clip("mini"), phrases, "nib", layer=9).mean()
    """
    need_columns(phrases, "image", "phrase", "mask")
    if not len(phrases):
        raise ValueError("there are no phrases to locate; load more pairs, or scenes of more objects.")
    ex = explain(clip, list(phrases.image), list(phrases.phrase), method, only="image", **options)
    masks = torch.from_numpy(np.stack(phrases["mask"].to_list()))
    return pd.DataFrame({"pointing": pointing(ex.image, masks).numpy(), "mass": mass(ex.image_scores, masks).numpy()})
