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

    >>> left = Perturbed(clip.image, pixels).feature(keep)  # keep: (N, 49) bool
    """

    def __init__(self, tower: Tower, x: Tensor, base: Tensor | None = None):
        self.tower, self.at = tower, tower.at(x)
        self.whole = tower.tokens(x)  # (N, T, D)
        T = self.whole.shape[1]
        if tower.grid is None:
            self.empty = tower.parts["positions"][:T].to(self.whole.dtype).expand_as(self.whole)
            self.first, self.parts = 1, T - 2
            self.count = self.at - 1  # (N,), a caption's own number of words
        else:
            self.empty = tower.tokens(torch.zeros_like(x) if base is None else base)
            self.parts = tower.grid[0] * tower.grid[1]
            self.first, self.count = T - self.parts, torch.full_like(self.at, self.parts)

    @torch.no_grad()
    def feature(self, keep: Tensor, rows: Tensor | None = None) -> Tensor:
        """Features (n, E) of inputs `rows` (n,), or of all N in order, with only the parts `keep` (n, parts) bool."""
        rows = torch.arange(len(self.whole)) if rows is None else rows
        some = rows_at_once(self.whole)
        return torch.cat([self.seen(k, r) for k, r in zip(keep.split(some), rows.split(some))])

    def seen(self, keep: Tensor, rows: Tensor) -> Tensor:
        return self.tower.finish(self.entered(keep, rows), 0, self.at[rows.to(self.at.device)])

    def entered(self, keep: Tensor, rows: Tensor) -> Tensor:
        """h_0 (n, T, D) of inputs `rows` (n,) with only the parts `keep` (n, parts) bool."""
        rows, tokens = rows.to(self.whole.device), self.whole[rows.to(self.whole.device)]  # (n, T, D)
        here = slice(self.first, self.first + self.parts)
        gone = ~keep.to(rows.device) & (torch.arange(self.parts, device=rows.device) < self.count[rows, None])
        tokens[:, here] = torch.where(gone[..., None], self.empty[rows, here], tokens[:, here])
        return self.tower.pre(tokens)
