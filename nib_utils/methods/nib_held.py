"""NIB with the gates held: narrowing becomes one gradient times its input, at the tokens and below the patch."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.tower import Reading, Tower
from .register import method
from .shared.entrance import entrance
from .shared.held import held, held_cosine

DETAILS = ("redistributed", "product", "none")


@method(title="NIB, gates held", group="rival", source="this project", forwards=2.8, gradients=True, signed=True,
        pixels=True)
def nib_held(tower: Tower, reading: Reading, target: Tensor, *, presence: float = 0.0, detail: str = "redistributed",
             smoothing: float = 0.125) -> Tensor:
    """Gradient times input of the cosine in the held tower: signed scores of pixels (B, H, W), or of words (B, T).

    With the gates held (`shared/held.py`) the network is linear in what is narrowed, so the integral of NIB is one
    step and adds up to the cosine but for what biases and positions give. presence: log of the share of each patch
    that attention sees, 0 for all: a picture of less information that is still one. A patch's score is
    `sum_c h_0 d s / d h_0`, a word's that of its row of the vocabulary. detail, from the same backward pass, says where
    in a patch: d = relu(sum_c x d s / d x) of the pixels. "redistributed" spreads each positive score over its patch in
    proportion to d, and every patch keeps its mean; "product" is the positive scores, stretched, times d; "none" are
    scores of tokens (B, T). smoothing: standard deviation in patch widths. Raises ValueError for a bad option.
    Source: our own; at presence 0 and without detail a picture's scores are those of AttnLRP (Achtibat et al., 2024).

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = nib_held(clip.image, reading, clip.encode_text("a cat"))
    """
    if detail not in DETAILS:
        raise ValueError(f"nib_held: detail is {detail!r}; it takes one of {', '.join(DETAILS)}.")
    if smoothing < 0:
        raise ValueError(f"nib_held: smoothing is {smoothing}; it takes at least 0.")
    net, found, features = held(tower, presence), [], []
    for part in reading.parts(reading.own.x, target):
        leaf, enter = entrance(net, part.start)
        by = [leaf.detach().requires_grad_()]
        with torch.enable_grad():
            h = enter(by[0])
            features.append(net.finish(h.to(net.dtype), 0, part.at))
        if tower.grid:
            by = [h, *by] if detail != "none" else [h]
        scores, *pixels = ((g * x.detach()[part.row]).float() for g, x in
                           zip(part.gradient(features[-1], by, held_cosine), by))
        scores = scores.sum(-1)
        if pixels:
            patches = scores[:, -tower.grid[0] * tower.grid[1] :].unflatten(1, tower.grid)
            scores = detailed(patches, pixels[0].sum(1).relu(), detail, smoothing)
        found.append((part, scores))
    if tower.grid is None or presence == 0:
        reading.own.feature = torch.cat(features).detach().to(tower.dtype)
    return reading.in_order(found)


def detailed(scores: Tensor, d: Tensor, detail: str, smoothing: float) -> Tensor:
    """Scores of patches (B, gh, gw) over pixels (B, H, W), by their detail d >= 0 (B, H, W)."""
    (gh, gw), (H, W) = scores.shape[1:], d.shape[1:]
    rows, columns = gaussian(H, smoothing * H / gh).to(d), gaussian(W, smoothing * W / gw).to(d)
    if detail == "product":
        wide = F.interpolate(scores.relu()[:, None], (H, W), mode="bilinear", align_corners=False)[:, 0]
        return wide * (rows @ d @ columns.T)
    spread = lambda x: x[:, torch.arange(H) * gh // H][:, :, torch.arange(W) * gw // W]  # (B, gh, gw) -> (B, H, W)
    mean = F.adaptive_avg_pool2d(d, (gh, gw))
    floor = 0.05 * mean.amax((1, 2), keepdim=True) + torch.finfo(d.dtype).tiny
    share = (d + floor) / spread(mean + floor)
    fine = spread(scores) * torch.where(spread(scores) > 0, share, 1)
    return keeping(gh, rows) @ fine @ keeping(gw, columns).T


def gaussian(size: int, sigma: float) -> Tensor:
    """(size, size): rows that average with a Gaussian of this standard deviation; the identity for 0."""
    place = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-((place[:, None] - place) / max(sigma, 1e-3)).square() / 2)
    return weights / weights.sum(1, keepdim=True)


def keeping(parts: int, smooth: Tensor) -> Tensor:
    """A smoothing (size, size) that gives back to each of `parts` stretches the mean that it had."""
    size = len(smooth)
    within = F.one_hot(torch.arange(size, device=smooth.device) * parts // size, parts).T.to(smooth)  # (parts, size)
    mean = within / within.sum(1, keepdim=True)
    stretched = smooth @ within.T
    return smooth + stretched @ torch.linalg.solve(mean @ stretched, mean - mean @ smooth)
