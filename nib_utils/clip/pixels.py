"""Several pictures, or pixels that somebody else has preprocessed, as one checked tensor, or one clear sentence."""
from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..common.checks import in_order
from .pictures import Preprocess, read_image

CUT = 0.1  # the share of a picture that a crop may take without a word


def read_pixels(images, preprocess: Preprocess, first: int = 0, told: set | None = None) -> Tensor:
    """Pictures, paths, or pixels already preprocessed (B, 3, H, W) -> checked pixels (B, 3, H, W) float32.

    first: the number of the first of them, when they are a part of more; told: what was warned of before, and will
    not be again; what is warned of now joins it.
    """
    told, images = set() if told is None else told, listed(images)
    if is_numbers(images):
        return check_pixels(as_tensor(images), preprocess, told).float()
    if not images:
        raise ValueError("no images were given; pass at least one.")
    if all(map(is_numbers, images)):
        shapes = {tuple(x.shape) for x in images}
        if len(shapes) > 1:
            raise ValueError(f"pixels of different shapes were given, {sorted(shapes)}; preprocess all images alike.")
        return check_pixels(torch.stack([as_tensor(x) for x in images]), preprocess, told).float()
    pixels, unseen = [], []
    for i, image in enumerate(images, first):
        picture = read_image(image, f"image {i}")
        pixels.append(preprocess(picture))
        unseen.append(preprocess.unseen(picture.size))
    warn_cropped(unseen, first, told)
    return torch.stack(pixels)


def listed(images):
    """A picture or a path as a list of it, several as a list; pixels as they are."""
    if is_numbers(images):
        return images
    single = isinstance(images, (str, Path, Image.Image))
    return [images] if single else in_order("images", images, "PIL images or paths, or pixels (B, 3, H, W)")


def is_numbers(x) -> bool:
    return isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.dtype.kind in "fiubc")


def as_tensor(x: Tensor | np.ndarray) -> Tensor:
    return x if isinstance(x, Tensor) else torch.from_numpy(np.ascontiguousarray(x))  # from x[::-1] torch makes none


def check_pixels(x: Tensor, preprocess: Preprocess, told: set) -> Tensor:
    """Refuse what is no batch of normalised pixels (B, 3, H, W) of this size; warn of what may be none."""
    H, W = preprocess.size
    if x.ndim != 4 or tuple(x.shape[1:]) != (3, H, W):
        raise ValueError(f"pixels have shape {tuple(x.shape)}, but this model takes (B, 3, {H}, {W}); "
                         "pass PIL images or paths to have them resized.")
    if not len(x):
        raise ValueError("no images were given; pass at least one.")
    if not x.is_floating_point():
        raise ValueError(f"pixels are {str(x.dtype).removeprefix('torch.')}, so they are not normalised; "
                         "pass PIL images, as Image.fromarray makes them, or what the model's preprocessing gives.")
    bad = (~x.isfinite().flatten(1).all(1)).nonzero().flatten().tolist()
    if bad:
        raise ValueError(f"pixels of image {bad[0]} contain NaN or infinity; check how they were preprocessed.")
    low, high = x.detach().amin((2, 3)).double().cpu(), x.detach().amax((2, 3)).double().cpu()  # (B, 3)
    std, mean = preprocess.stat(preprocess.std).flatten(), preprocess.stat(preprocess.mean).flatten()
    strange = ((low * std + mean < -1) | (high * std + mean > 2)).any(1)  # as colours, which lie in 0..1
    if strange.any():
        i = int(strange.nonzero()[0])
        raise ValueError(f"pixels of image {i} run from {low[i].min():.3g} to {high[i].max():.3g}, as no normalised "
                         "picture does; pass PIL images or paths, or what the model's preprocessing gives.")
    if low.min() >= 0 and 0.5 < high.max() - low.min() and high.max() <= 1:
        once("the pixels lie in 0..1, as if they were not normalised; if so, pass PIL images or paths, or what the "
             "model's preprocessing gives.", told)
    return x


def warn_cropped(unseen: list[float], first: int, told: set) -> None:
    """Say how many pictures lose more than CUT to the centre crop, and how much; of many parts the first that does."""
    lost = [share for share in unseen if share > CUT]
    if not first:
        told.discard("crop")
    if lost and "crop" not in told:
        told.add("crop")
        once(f"{len(lost)} of {len(unseen)} pictures are not seen whole: the model's centre crop takes up to "
             f"{max(lost):.0%} (of image {first + unseen.index(max(lost))}); pad or cut them to the form of its input, "
             "to choose what it sees.", told)


def once(text: str, told: set) -> None:
    if text not in told:
        warnings.warn(text, stacklevel=6)  # to the line that called explain
    told.add(text)
