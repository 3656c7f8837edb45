"""What people hand in (pictures, paths, pixels; sentences, ids) made into tensors, or one clear sentence."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .borrow import OPENAI, need

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's pixel statistics
SOS, EOS = "[SOS]", "[EOS]"
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


@dataclass(frozen=True)
class Tokenizer:
    """`encode`: a sentence -> ids with SOS and EOS; `word`: an id -> what it says; `sos`, `eos`: their ids."""

    encode: Callable[[str], list[int]]
    word: Callable[[int], str]
    sos: int
    eos: int

    def words(self, ids: Sequence[int]) -> list[str]:
        names = {self.sos: SOS, self.eos: EOS}
        return [names.get(int(i)) or self.word(int(i)) for i in ids]


@lru_cache
def clip_bpe() -> Tokenizer:
    """CLIP's own byte-pair encoding, which every model of the family shares."""
    bpe = need("clip.simple_tokenizer", OPENAI).SimpleTokenizer()
    sos, eos = bpe.encoder["<|startoftext|>"], bpe.encoder["<|endoftext|>"]
    return Tokenizer(lambda text: [sos, *bpe.encode(text), eos], lambda i: bpe.decode([i]).strip(), sos, eos)


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


def read_ids(texts, tokenizer: Tokenizer, context: int, vocabulary: int, truncate: bool = False) -> list[Tensor]:
    """Sentences, or id arrays with SOS and EOS -> one checked int64 tensor (T,) per caption."""
    texts = as_list(texts)
    if not texts:
        raise ValueError("no captions were given; pass at least one.")
    return [read_caption(text, i, tokenizer, context, vocabulary, truncate) for i, text in enumerate(texts)]


def as_list(texts) -> list:
    """One sentence or one array of ids as a list of it; several as a list."""
    if not isinstance(texts, Iterable):
        raise TypeError(f"captions are {texts!r}; pass a list of strings or of 1-D arrays of token ids.")
    numbers = isinstance(texts, Tensor) or (isinstance(texts, np.ndarray) and texts.dtype.kind in "iuf")
    return [texts] if isinstance(texts, str) or (numbers and texts.ndim == 1) else list(texts)


def read_caption(text, i: int, tokenizer: Tokenizer, context: int, vocabulary: int, truncate: bool) -> Tensor:
    if isinstance(text, str):
        if not text.strip():
            raise ValueError(f"caption {i} is empty; give it at least one word.")
        ids = tokenizer.encode(text)
        if tokenizer.eos in ids[:-1]:
            raise ValueError(f"caption {i} spells the mark that ends one, {tokenizer.word(tokenizer.eos)}; remove it.")
    elif isinstance(text, (np.ndarray, Tensor, list, tuple)):
        text = text.detach().cpu() if isinstance(text, Tensor) else text
        ids = check_ids(np.asarray(text), i, tokenizer, vocabulary)
    else:
        raise TypeError(f"caption {i} is a {type(text).__name__}; pass a string or a 1-D array of token ids.")
    if len(ids) <= 2:
        raise ValueError(f"caption {i} has no tokens between SOS and EOS; give it at least one word.")
    if len(ids) > context:
        if not truncate:
            raise ValueError(f"caption {i} has {len(ids)} tokens with SOS and EOS, but the model reads at most "
                             f"{context}; shorten it or pass truncate=True.")
        ids = [*ids[: context - 1], tokenizer.eos]
    return torch.tensor([int(v) for v in ids])


def check_ids(ids: np.ndarray, i: int, tokenizer: Tokenizer, vocabulary: int) -> list[int]:
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"caption {i}: ids must be a 1-D array of integers, got shape {ids.shape} of {ids.dtype}.")
    if len(ids) and (ids.min() < 0 or ids.max() >= vocabulary):
        raise ValueError(f"caption {i}: ids must lie in 0..{vocabulary - 1}; got {ids.min()}..{ids.max()}.")
    ends = np.flatnonzero(ids == tokenizer.eos)
    if not len(ids) or ids[0] != tokenizer.sos or not len(ends):
        raise ValueError(f"caption {i}: ids must begin with SOS ({tokenizer.sos}) and contain EOS ({tokenizer.eos}).")
    return ids[: ends[0] + 1].tolist()  # what stands after EOS is padding


def pad(ids: Sequence[Tensor]) -> Tensor:
    """Captions (T_b,) -> (B, T), filled with 0 after EOS, which a causal tower never looks at."""
    return torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True)
