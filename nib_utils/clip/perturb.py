"""Pictures without some of their patches, captions without some of their words: the parts go, their places stay."""
from __future__ import annotations

import torch
from torch import Tensor

from .tower import Tower, rows_at_once


class Perturbed:
    """N inputs of which parts can be taken away: the patches of a picture, the words of a caption but SOS and EOS.

    A patch that is gone shows `base`, normalised pixels (N, 3, H, W), or the mean colour. A word that is gone loses
    its row of the vocabulary and keeps its position, so that nothing else in the caption moves or changes. x: pixels
    (N, 3, H, W) or ids (N, T). The patch embedding reads each patch alone, so a picture is put together from tokens:
    the same as from pixels, and embedded once however many of its parts are tried.

    >>> left = Perturbed(clip.image, pixels).feature(keep, torch.arange(len(pixels)))  # keep: (N, 49) bool
    """

    def __init__(self, tower: Tower, x: Tensor, base: Tensor | None = None):
        self.tower, self.at = tower, tower.at(x)
        self.whole = tower.tokens(x)  # (N, T, D)
        T = self.whole.shape[1]
        if tower.grid is None:
            self.empty = tower.parts["positions"][:T].to(self.whole.dtype).expand_as(self.whole)
            self.first, self.parts, self.count = 1, T - 2, self.at - 1  # (N,), a caption's own number of words
        else:
            self.empty = tower.tokens(torch.zeros_like(x) if base is None else base)
            self.parts = tower.grid[0] * tower.grid[1]
            self.first, self.count = T - self.parts, torch.full_like(self.at, self.parts)

    @torch.no_grad()
    def feature(self, keep: Tensor, rows: Tensor) -> Tensor:
        """Features (n, E) of inputs `rows` (n,) with only the parts `keep` (n, parts) bool; equal ones are run once."""
        count = self.count.cpu()[rows, None]
        keep = keep | (torch.arange(self.parts) >= count)  # the padding of a shorter caption is no part of it
        asked, which = torch.cat([count, rows[:, None], keep], 1).unique(dim=0, return_inverse=True)  # by length
        some = asked.to(self.at.device).split(rows_at_once(self.whole))
        return torch.cat([self.seen(one[:, 2:].bool(), one[:, 1]) for one in some])[which.to(self.at.device)]

    def seen(self, keep: Tensor, rows: Tensor) -> Tensor:
        end = self.whole.shape[1] - self.parts + int(self.count[rows].max())
        return self.tower.finish(self.entered(keep, rows)[:, :end], 0, self.at[rows])

    def entered(self, keep: Tensor, rows: Tensor) -> Tensor:
        """h_0 (n, T, D) of inputs `rows` (n,) with only the parts `keep` (n, parts) bool; padding is to be kept."""
        tokens, here = self.whole[rows], slice(self.first, self.first + self.parts)  # (n, T, D)
        tokens[:, here] = torch.where(keep[..., None], tokens[:, here], self.empty[rows, here])
        return self.tower.pre(tokens)
