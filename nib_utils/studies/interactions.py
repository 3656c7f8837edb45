"""Words against pixels as others find them: by integrated Jacobians, and by sampled coalitions of both sides."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jvp, vmap

from ..clip.captions import pad
from ..clip.clip import Clip
from ..clip.perturb import Perturbed
from ..clip.similarity import cosine
from ..clip.tower import Reading, Tower
from ..common.checks import check_seed, check_whole
from ..maps.explanation import check_count
from ..maps.maps import upsampled


@dataclass(repr=False)
class Interactions:
    """Matrices of words x patches of B pairs in cosine units, read like a `WordMaps`."""

    scores: list[Tensor]  # (T_b, gh, gw), signed, of the words between SOS and EOS
    size: tuple[int, int]  # (H, W) of the model's pictures

    @property
    def maps(self) -> list[Tensor]:
        return [upsampled(one, self.size) for one in self.scores]

    def span(self, pair: int, start: int, stop: int) -> Tensor:
        """The map (H, W) of the words start..stop - 1 of a caption."""
        return upsampled(self.scores[pair][start:stop].sum(0, keepdim=True), self.size)[0]


def integrated_jacobians(clip: Clip, images, captions, steps: int = 10) -> Interactions:
    """What each word and each patch, as they enter the last block of their towers, give to the cosine together.

    A side's contributions are those of its tokens to its feature along the straight way from a reference, integrated
    at the midpoints of `steps`; the references are a picture of the mean colour and a caption of empty words, and the
    features' norms are constants. Raises ValueError for bad steps. Source: Moeller et al., *Explaining Caption-Image
    Interactions in CLIP Models with Second-Order Attributions*, TMLR 2025; by forward-mode derivatives, a token each,
    where their code takes a backward pass for each of the E numbers of a feature.

    >>> integrated_jacobians(clip, ["scene.png"], ["a red circle"]).scores[0].shape
    torch.Size([3, 7, 7])
    """
    check_whole("steps", steps, 1)
    pixels, ids = clip.pixels(images), clip.ids(captions)
    check_count(len(pixels), len(ids))
    image, text = clip.image.read(pixels), clip.text.read(pad(ids))
    patches, words = contributions(clip.image, image, steps), contributions(clip.text, text, steps)  # (B, parts, E)
    norms = image.feature.norm(dim=-1) * text.feature.norm(dim=-1)
    both = (words @ patches.transpose(1, 2) / norms[:, None, None]).unflatten(2, clip.image.grid).float().cpu()
    return Interactions([one[: len(own) - 2] for one, own in zip(both, ids)], tuple(pixels.shape[-2:]))


@torch.no_grad()
def contributions(tower: Tower, reading: Reading, steps: int) -> Tensor:
    """What each patch, or word, gives to the feature through the last block: (B, parts, E)."""
    parts, last = Perturbed(tower, reading.x), tower.depth - 1
    h, empty = reading.stream(last), parts.entered(*nothing(parts))
    for block in tower.blocks[:last]:
        empty = block(empty)
    here = slice(parts.first, parts.first + parts.parts)
    alone = torch.eye(h.shape[1], dtype=h.dtype, device=h.device)[here, None, :, None]  # one token's way, for each
    total, feature = 0, lambda h: tower.finish(h, last, reading.at)
    for k in range(steps):
        point = empty + (k + 0.5) / steps * (h - empty)
        along = lambda one, point=point: jvp(feature, (point,), ((h - empty) * one,))
        total = total + vmap(along)(alone)[1]  # (parts, B, E)
    return total.transpose(0, 1) / steps


def nothing(parts: Perturbed) -> tuple[Tensor, Tensor]:
    """Every input, without any of its parts; what is beyond a shorter caption is none of them."""
    place = torch.arange(parts.parts, device=parts.count.device)
    return place >= parts.count[:, None], torch.arange(len(parts.whole))


def sampled_interactions(clip: Clip, images, captions, pictures: int = 256, sentences: int = 64,
                         seed: int = 0) -> Interactions:
    """Which word and which patch are worth more together, from cosines of random halves of both sides.

    Every one of `pictures` coalitions of patches meets every one of `sentences` coalitions of words, each part being
    there with a chance of a half, and a function that is linear in the patches and linear in the words is fitted to
    all cosines by least squares; its products of a word and a patch are the matrix. seed: pair b has seed + b. Raises
    ValueError for fewer coalitions than a side has parts. Source: the weighted Banzhaf interactions across modalities
    of FIxLIP, Baniecki et al., NeurIPS 2025, at p = 0.5; the least squares, side by side, are our own.

    >>> sampled_interactions(clip, ["scene.png"], ["a red circle"]).scores[0].shape
    torch.Size([3, 7, 7])
    """
    check_seed("seed", seed)
    pixels, ids, found = clip.pixels(images), clip.ids(captions), []
    check_count(len(pixels), len(ids))
    for b, own in enumerate(ids):
        image, text = Perturbed(clip.image, pixels[b : b + 1]), Perturbed(clip.text, pad([own]))
        sides = []
        for side, tried, name in ((image, pictures, "pictures"), (text, sentences, "sentences")):
            check_whole(name, tried, side.parts + 1)
            generator = torch.Generator().manual_seed(seed + b)
            keep = torch.rand(tried, side.parts, generator=generator) < 0.5
            sides.append((keep, side.feature(keep, torch.zeros(tried, dtype=torch.long))))
        (patches, u), (words, v) = sides
        found.append(products(patches, words, cosine(u[:, None], v).cpu()).float())
    return Interactions([one.unflatten(1, clip.image.grid) for one in found], tuple(pixels.shape[-2:]))


def products(patches: Tensor, words: Tensor, worth: Tensor) -> Tensor:
    """What a word and a patch are worth together: coalitions (n, parts), (m, words), worth (n, m) -> (words, parts).

    The least squares of a constant, the parts of either side, and all products, solved a side at a time.
    """
    z, w = (torch.cat([torch.ones(len(keep), 1), keep], 1).double() for keep in (patches, words))
    return torch.linalg.lstsq(w, torch.linalg.lstsq(z, worth.double()).solution.T).solution[1:, 1:]
