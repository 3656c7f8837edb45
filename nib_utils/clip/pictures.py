"""What people hand in (pictures, paths, pixels; sentences, ids) made into tensors, or one clear sentence."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's pixel statistics
UNREADABLE = (OSError, Image.DecompressionBombError)  # broken, or of more pixels than PIL thinks safe


@dataclass(frozen=True)
class Preprocess:
    """PIL image -> normalised pixels (3, H, W): short side resized (bicubic), centre crop, mean and std.

    `squash` resizes to the size directly and crops nothing, as some open_clip models ask. Greys of 16 bits become 8
    (see `rgb`); all else is as CLIP's own. Raises ValueError for floating point pixels.
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

    def undo(self, x: Tensor) -> np.ndarray:
        """Normalised pixels (3, H, W) -> a picture (H, W, 3) uint8."""
        x = x.detach().float().cpu() * self.stat(self.std) + self.stat(self.mean)
        return (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()

    @staticmethod
    def stat(values) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)


def rgb(image: Image.Image, what: str = "the picture") -> Image.Image:
    """Eight bits of red, green and blue a pixel; `what` begins the sentence about pixels whose scale nobody knows."""
    if image.mode == "F":
        raise ValueError(f"{what} has floating point pixels, whose black and white nobody knows; save it with 8 or 16 "
                         "bits a channel.")
    if image.mode == "I" or image.mode.startswith("I;16"):  # PIL would make all that exceeds 255 white
        image, deep = image.convert("I"), image.mode != "I"
        least, most = image.getextrema()
        if least < 0 or most > 65535:
            raise ValueError(f"{what} has pixels of {least} to {most}, which 16 bits do not hold; save it with 8 or 16 "
                             "bits a channel.")
        if deep or most > 255:
            image = Image.fromarray(((np.asarray(image) + 128) // 257).astype(np.uint8))  # v / 257, rounded
    return image.convert("RGB")


def read_image(image, where: str) -> Image.Image:
    """A PIL image, or the picture at a path, in RGB; `where` begins the sentence when it cannot be read."""
    if isinstance(image, Image.Image):
        try:
            image.load()
        except UNREADABLE as error:
            raise ValueError(f"{where}: the picture cannot be read ({str(error).rstrip('.')}); replace it.") from None
        if not all(image.size):
            raise ValueError(f"{where}: the picture has no pixels, its size is {image.size}.")
        return rgb(image, f"{where}: the picture")
    if not isinstance(image, (str, Path)):
        raise TypeError(f"{where}: expected a PIL image or a path, got {type(image).__name__}.")
    if not Path(image).is_file():
        raise FileNotFoundError(f"{where}: there is no file at '{image}'; check the path, or what it is relative to.")
    try:
        with Image.open(image) as picture:
            return rgb(picture, f"{where}: '{image}'")
    except UNREADABLE as error:
        raise ValueError(f"{where}: '{image}' cannot be read as an image ({str(error).rstrip('.')}); replace or "
                         "remove it.") from None


def read_pixels(images, preprocess: Preprocess, first: int = 0) -> Tensor:
    """Pictures, paths, or pixels already preprocessed (B, 3, H, W) -> checked pixels (B, 3, H, W) float32.

    first: what the first of them is called when one cannot be read.
    """
    if isinstance(images, np.ndarray) and images.dtype != object:
        images = torch.from_numpy(images)
    if isinstance(images, Tensor):
        return check_pixels(images, preprocess.size).float()
    if isinstance(images, (str, Path, Image.Image)):
        images = [images]
    if not isinstance(images, Iterable):
        raise TypeError(f"images are {images!r}; pass a list of PIL images or paths, or pixels (B, 3, H, W).")
    images = list(images)
    if not images:
        raise ValueError("no images were given; pass at least one.")
    if all(isinstance(x, (Tensor, np.ndarray)) for x in images):
        shapes = {tuple(x.shape) for x in images}
        if len(shapes) > 1:
            raise ValueError(f"pixels of different shapes were given, {sorted(shapes)}; preprocess all images alike.")
        return read_pixels(torch.stack([torch.as_tensor(x) for x in images]), preprocess)
    return torch.stack([preprocess(read_image(image, f"image {i}")) for i, image in enumerate(images, first)])


def check_pixels(x: Tensor, size: tuple[int, int]) -> Tensor:
    if x.ndim != 4 or tuple(x.shape[1:]) != (3, *size):
        raise ValueError(f"pixels have shape {tuple(x.shape)}, but this model takes (B, 3, {size[0]}, {size[1]}); "
                         "pass PIL images or paths to have them resized.")
    if not len(x):
        raise ValueError("no images were given; pass at least one.")
    if not x.is_floating_point():
        raise ValueError(f"pixels are {str(x.dtype).removeprefix('torch.')}, so they are not normalised; "
                         "pass PIL images or paths, or what the model's preprocessing gives.")
    bad = (~x.isfinite().flatten(1).all(1)).nonzero().flatten().tolist()
    if bad:
        raise ValueError(f"pixels of image {bad[0]} contain NaN or infinity; check how they were preprocessed.")
    return x
