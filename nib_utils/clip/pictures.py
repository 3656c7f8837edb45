"""A picture or a path that somebody hands in, read upright and made into normalised pixels, or one clear sentence."""
from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from ..common.checks import brief
from ..common.packages import first_line

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's pixel statistics


@dataclass(frozen=True)
class Preprocess:
    """PIL image -> normalised pixels (3, H, W): short side resized (bicubic), centre crop, mean and std.

    `squash` resizes to the size directly and crops nothing, as some open_clip models ask. A picture whose EXIF tag
    says that it lies on its side is turned first, and greys of 16 bits become 8 (see `rgb`); all else is as CLIP's
    own. Raises ValueError for floating point pixels.
    """

    size: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    squash: bool = False
    resample: int = Image.Resampling.BICUBIC

    def __call__(self, image: Image.Image) -> Tensor:
        image = rgb(image)
        (H, W), (w, h) = self.size, image.size
        if self.squash:
            new = (W, H)
        elif H == W:  # int() as torchvision does, so that the pixels are the libraries' own
            new = (W, int(H * h / w)) if w <= h else (int(W * w / h), H)
        else:
            scale = max(H / h, W / w)
            new = (max(W, round(w * scale)), max(H, round(h * scale)))
        if max(w, h) > 20 * min(w, h):  # a ribbon would be enlarged beyond memory only to be cropped to its middle
            part = (min(w, 20 * h), min(h, 20 * w))
            corner = ((w - part[0]) // 2, (h - part[1]) // 2)
            return self(image.crop((*corner, corner[0] + part[0], corner[1] + part[1])))
        image = image.resize(new, self.resample)
        left, top = round((new[0] - W) / 2), round((new[1] - H) / 2)
        image = image.crop((left, top, left + W, top + H))
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255  # (3, H, W)
        return (x - self.stat(self.mean)) / self.stat(self.std)

    def seen(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """What the crop leaves of a picture of this (width, height): left, top, width and height, in its pixels."""
        (H, W), (w, h) = self.size, size
        scale = max(H / h, W / w)
        width, height = size if self.squash else (W / scale, H / scale)
        return (w - width) / 2, (h - height) / 2, width, height

    def unseen(self, size: tuple[int, int]) -> float:
        """The share of a picture of this (width, height) that is cropped away, 0..1."""
        _, _, width, height = self.seen(size)
        return 1 - width * height / (size[0] * size[1])

    def undo(self, x: Tensor) -> np.ndarray:
        """Normalised pixels (3, H, W) -> a picture (H, W, 3) uint8."""
        x = x.detach().float().cpu() * self.stat(self.std) + self.stat(self.mean)
        return (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()

    @staticmethod
    def stat(values) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)


def rgb(image: Image.Image, what: str = "the picture") -> Image.Image:
    """Eight bits of red, green and blue a pixel, upright as its EXIF tag says.

    what: begins the sentence about pixels whose scale nobody knows.
    """
    if image.mode == "F":
        raise ValueError(f"{what} has floating point pixels, whose black and white nobody knows; save it with 8 or 16 "
                         "bits a channel.")
    image = upright(image)
    if image.mode == "I" or image.mode.startswith("I;16"):  # PIL would make all that exceeds 255 white
        image, deep = image.convert("I"), image.mode != "I"
        least, most = image.getextrema()
        if least < 0 or most > 65535:
            raise ValueError(f"{what} has pixels of {least} to {most}, which 16 bits do not hold; save it with 8 or 16 "
                             "bits a channel.")
        if deep or most > 255:
            image = Image.fromarray(((np.asarray(image) + 128) // 257).astype(np.uint8))  # v / 257, rounded
    return image.convert("RGB")


def upright(image: Image.Image) -> Image.Image:
    """The picture as it is to be looked at, without the EXIF tag that says how a camera was held."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a tag that is no EXIF makes PIL fail in any way, and says nothing
        return image


def read_image(image, where: str) -> Image.Image:
    """A PIL image, or the picture at a path, in RGB and upright; `where` begins the sentence when it cannot be read."""
    at_path = isinstance(image, (str, Path))
    if not at_path and not isinstance(image, Image.Image):
        raise TypeError(f"{where}: expected a PIL image or a path, got {type(image).__name__}.")
    if at_path and not os.path.isfile(image):
        raise FileNotFoundError(f"{where}: there is no file at {brief(str(image))}; check the path, or what it is "
                                "relative to.")
    what, mend = (f"'{image}'", "replace or remove it") if at_path else ("the picture", "open it again")
    try:
        with Image.open(image) if at_path else nullcontext(image) as picture:
            picture.load()
            picture = upright(picture)
    except Exception as error:  # strangers' bytes make a decoder fail in any way
        raise ValueError(f"{where}: {what} cannot be read as an image ({first_line(error)}); {mend}.") from None
    if not all(picture.size):
        raise ValueError(f"{where}: {what} has no pixels, its size is {picture.size}.")
    return rgb(picture, f"{where}: {what}")


def size_of(image) -> tuple[int, int] | None:
    """The (H, W) of a PIL image, or of the picture at a path, upright but not decoded; None of what is neither."""
    try:
        if isinstance(image, (str, Path)):
            with Image.open(image) as picture:
                return size_of(picture)
    except Exception:  # `explain` says what is wrong with it
        return None
    return (image.size if lies(image) else image.size[::-1]) if isinstance(image, Image.Image) else None


def lies(image: Image.Image) -> bool:
    """Whether a picture is yet to be turned by a quarter; of TIFF, PIL gives the upright size before that."""
    try:
        return image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # as in `upright`
        return False
