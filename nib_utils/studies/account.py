"""What the scores of `nib_held` add up to, and what is in the similarity beside them."""
from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from ..clip.captions import pad
from ..clip.clip import Clip
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from ..common.checks import check_whole, need_columns
from ..methods.shared.held import Held


def account(clip: Clip, pairs: pd.DataFrame, batch_size: int = 16) -> pd.DataFrame:
    """The similarity as a sum of parts, by the network whose gates are held: a row per pair and tower.

    Columns pair, tower, similarity, and what adds up to it in cosine units: parts, the scores of all patches, or of
    all words; ends, CLS, or the rows of SOS and EOS; positions, those of a caption's tokens, apart from their words
    (a patch's is part of its score); nothing, what is left where the stream is empty, from biases and the constants
    that holding leaves. Of a picture all are means over its streams, as its scores are. Raises ValueError for pairs
    without a column. Source: our own (docs/held.md).

    >>> nib.account(clip, nib.load_pairs("shapes", n=8)).groupby("tower").mean()
    """
    need_columns(pairs, "image", "caption")
    check_whole("batch_size", batch_size, 1)
    frames = []
    for first in range(0, len(pairs), batch_size):
        part = pairs.iloc[first : first + batch_size]
        image, text = clip.image.read(clip.pixels(list(part.image))), clip.text.read(pad(clip.ids(list(part.caption))))
        for tower, reading, target in ((clip.image, image, text.feature), (clip.text, text, image.feature)):
            sums = {name: value.double().cpu().numpy() for name, value in summed(tower, reading, target).items()}
            frames.append(pd.DataFrame({"pair": range(first, first + len(part)), "tower": tower.kind} | sums))
    return pd.concat(frames, ignore_index=True)


def summed(tower: Tower, reading: Reading, target: Tensor) -> dict[str, Tensor]:
    """The parts of every pair's similarity, (B,) each."""
    net = Held(tower, h := reading.stream(0), reading.at)
    similarity = cosine(net.feature, target)  # (B,)
    slope, own, _ = net.pull(target, torch.arange(len(h)), tower.depth)  # (B, T, D), (B, T)
    place = torch.zeros_like(own)
    if tower.grid is None:
        positions = tower.parts["positions"][: h.shape[1]]
        own, place = ((rows * slope).float().sum(-1) for rows in (h - positions, positions))
    every = torch.arange(h.shape[1], device=h.device) < reading.lengths[:, None]
    inside = reading.inside if tower.grid else every & (torch.arange(h.shape[1], device=h.device) > 0) & (
        torch.arange(h.shape[1], device=h.device) < reading.at[:, None])
    own, place = own * every, place * every
    parts = {"parts": (own * inside).sum(1), "ends": (own * ~inside).sum(1), "positions": place.sum(1)}
    return {"similarity": similarity, **parts, "nothing": similarity - sum(parts.values())}
