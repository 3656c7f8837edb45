"""NIB with the gates held: narrowing becomes one gradient times its input, at the tokens and below the patch."""
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..clip.blocks import Norm
from ..clip.tower import Reading, Tower, pull_back
from .register import method
from .shared.held import Held, centred, held_scale

DETAILS = ("redistributed", "product", "none")


@method(title="NIB, gates held", group="rival", source="this project", forwards=2.8, gradients=True, signed=True,
        pixels=True)
def nib_held(tower: Tower, reading: Reading, target: Tensor, *, streams: int | None = None,
             attention: float = 0.25, presence: float = 0.0, detail: str = "redistributed", smoothing: float = 0.125,
             diffusion: float = 0.06) -> Tensor:
    """Gradient times input of the cosine in the held tower: signed scores of pixels (B, H, W), or of words (B, T).

    With the gates held (`shared/held.py`) the network is linear in what is narrowed, so the integral of NIB is one
    step, whichever layer is narrowed, and adds up to the cosine but for what biases and positions give. A patch's score
    is `sum_c h_l d s / d h_l`, the mean over the first `streams` layers l, by default all; a word's that of its row of
    the vocabulary. attention: the share of the patches' standard deviation by which, at the same sum, those rise that s
    would gain from more attention to, `sum relu(d s / d A)` over layers, heads and queries. presence: log of the share
    of each patch that attention sees, from -50 to 0 (all). diffusion: the share, 0 to 0.2, of what neighbours
    differ in that goes from one to the other; the sum stays. detail, from the same gradient, says where in a patch:
    d = relu(sum_c x d s / d x) of the pixels. "redistributed" spreads each positive score over its patch in proportion
    to d, and every patch keeps its mean; "product" is positive scores, stretched, times d; "none" are scores of tokens
    (B, T). smoothing: standard deviation in patch widths, 0 to 1. Raises ValueError for a bad option. Source: our own;
    slopes by attention as in LeGrad (ICCV 2025); one stream alone gives AttnLRP's score (ICML 2024).

    >>> reading = clip.image.read(clip.pixels("cat.jpg"))
    >>> scores = nib_held(clip.image, reading, clip.encode_text("a cat"))
    """
    if detail not in DETAILS:
        raise ValueError(f"nib_held: detail is {detail!r}; it takes one of {', '.join(DETAILS)}.")
    streams = tower.depth if streams is None else streams
    for name, value, least, most in (("streams", streams, 1, tower.depth), ("attention", attention, 0, 2),
                                     ("presence", presence, -50, 0), ("smoothing", smoothing, 0, 1),
                                     ("diffusion", diffusion, 0, 0.2)):  # beyond, patches are lost
        if not least <= value <= most:
            raise ValueError(f"nib_held: {name} is {value}; it takes {least} to {most}.")
    found, features = [], []
    for part in reading.parts(reading.own.x, target):
        x = part.start.clone().requires_grad_(tower.grid is not None)
        with torch.enable_grad():
            tokens = tower.tokens(x)
        net = Held(tower, tower.pre(tokens.detach()), part.at, presence)
        features.append(net.feature.to(tower.dtype))
        slope, scores, looks = net.pull(part.goal, part.row, streams if tower.grid else 1)  # (p, T, D), (p, T)
        if tower.grid is None:
            scores = (slope * tower.parts["vocabulary"][x[part.row]]).sum(-1)
        else:
            own, looks = (x[:, -tower.grid[0] * tower.grid[1] :].float() for x in (scores, looks))  # (p, patches)
            moved = own.std(1, correction=0, keepdim=True) * F.layer_norm(looks, looks.shape[1:], eps=1e-30)
            patches = diffused((own + attention * moved).unflatten(1, tower.grid), diffusion)
            scores[:, -own.shape[1] :] = patches.flatten(1)
        if tower.grid and detail != "none":
            if isinstance(tower.pre, Norm):
                slope = centred(slope * held_scale(tower.pre, tokens.detach().to(slope.dtype))[part.row])
            pixels = pull_back(tokens, x, part.row, slope.to(tokens.dtype)) * x.detach()[part.row]
            scores = detailed(patches, pixels.float().sum(1).relu(), detail, smoothing)
        found.append((part, scores.float()))
    if tower.grid is None or presence == 0:
        reading.own.feature = torch.cat(features)
    return reading.in_order(found)


def diffused(scores: Tensor, share: float) -> Tensor:
    """Scores of patches (B, gh, gw) after each two side by side have evened out a share of their difference."""
    down, right = share * scores.diff(dim=1), share * scores.diff(dim=2)
    return scores + F.pad(down, (0, 0, 1, 1)).diff(dim=1) + F.pad(right, (1, 1)).diff(dim=2)


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
    return (-((place[:, None] - place) / max(sigma, 1e-3)).square() / 2).softmax(1)


def keeping(parts: int, smooth: Tensor) -> Tensor:
    """A smoothing (size, size) that gives back to each of `parts` stretches the mean that it had."""
    size = len(smooth)
    within = F.one_hot(torch.arange(size, device=smooth.device) * parts // size, parts).T.to(smooth)  # (parts, size)
    mean = within / within.sum(1, keepdim=True)
    stretched = smooth @ within.T
    return smooth + stretched @ torch.linalg.solve(mean @ stretched, mean - mean @ smooth)
