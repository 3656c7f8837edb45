"""One caption of several, chosen as the protocols choose it."""
from __future__ import annotations

import pandas as pd
import torch.nn.functional as F

from ..common.checks import check_choice, check_whole


def pick_captions(clip, pairs: pd.DataFrame, rule: str = "own", batch_size: int = 32, *,
                  truncate: bool = False) -> pd.DataFrame:
    """The pairs with `caption` chosen anew among each row's `captions`, by cosine similarity.

    rule: "own", the one its own image likes best; "first"; or "released", a defect of the released code that is
    needed only to reproduce its numbers: the first image of each batch of `batch_size` consecutive pairs
    chooses for all of them, so that most captions are picked by a stranger's picture. truncate: judge captions
    that are too long by their beginning, as `explain` with truncate does. Raises ValueError for pairs without a
    column captions.

    >>> pairs = nib.pick_captions(clip, nib.load_pairs("flickr8k", root))
    """
    check_choice("rule", rule, ("own", "first", "released"))
    check_whole("batch_size", batch_size, 1)
    if "captions" not in pairs:
        raise ValueError(f"the pairs have no column captions to pick from, only {', '.join(map(str, pairs.columns))}.")
    chosen = []
    for start in range(0, len(pairs), batch_size):
        part = pairs.iloc[start : start + batch_size]
        chosen += liked_best(clip, list(part["image"]), list(part["captions"]), rule, truncate)
    return pairs.assign(caption=chosen)


def liked_best(clip, images: list, captions: list[list[str]], rule: str, truncate: bool = False) -> list[str]:
    """One batch's choice: a caption out of each list."""
    if rule == "first":
        return [candidates[0] for candidates in captions]
    judges = images[:1] if rule == "released" else images
    u = F.normalize(clip.encode_image(judges).float(), dim=-1).expand(len(images), -1)  # (B, E)
    v = F.normalize(clip.encode_text(sum(captions, []), truncate=truncate).float(), dim=-1)  # (N, E), N captions in all
    groups = v.split([len(candidates) for candidates in captions])
    return [candidates[int((group @ x).argmax())] for candidates, group, x in zip(captions, groups, u)]
