"""The published code's outputs on a small seeded CLIP, and the inputs they belong to, rebuilt from the seed."""
from pathlib import Path

import numpy as np
import tiny
import torch
from scipy.ndimage import map_coordinates

import nib_utils as nib

SEED, LENGTHS = 2024, (5, 9, 12, 7)
OUTPUTS = np.load(Path(__file__).parent / "golden" / "reference_outputs.npz")


def clip() -> nib.Clip:
    return nib.wrap(tiny.hf(**tiny.GOLDEN, text=dict(eos_token_id=2)))


def inputs() -> tuple[torch.Tensor, list[np.ndarray]]:
    """Pixels (4, 3, 224, 224) and four captions, most with a token that occurs twice."""
    rng = np.random.default_rng(SEED + 1)
    pixels = rng.standard_normal((4, 3, 224, 224)).astype(np.float32)
    ids = []
    for n in LENGTHS:
        content = rng.integers(300, 40000, n - 2)
        if n > 6:
            content[3] = content[0]
        ids.append(np.concatenate([[tiny.SOS], content, [tiny.EOS]]).astype(np.int64))
    return torch.from_numpy(pixels), ids


def random_maps() -> tuple[np.ndarray, list[np.ndarray]]:
    """The maps behind the rows metric/random."""
    rng = np.random.default_rng(SEED + 3)
    return rng.random((4, 224, 224)).astype(np.float32), [rng.random(n).astype(np.float32) for n in LENGTHS]


def rise_masks() -> torch.Tensor:
    """The 24 masks (24, 224, 224) behind rise/image: grids of chance, stretched to 252 pixels and shifted.

    Stretched by SciPy: linear, pixel middles on pixel middles, mirrored about the middle of the outermost cell.
    """
    place = np.abs((np.arange(252) + 0.5) * 8 / 252 - 0.5)
    place = np.stack(np.meshgrid(*[7 - np.abs(7 - place)] * 2, indexing="ij"))
    rng, masks = np.random.default_rng(SEED + 2), []
    for _ in range(24):
        grid = (rng.random((8, 8)) < 0.1).astype(np.float32)
        x, y = rng.integers(0, 28), rng.integers(0, 28)
        masks.append(map_coordinates(grid, place, order=1)[x : x + 224, y : y + 224])
    return torch.from_numpy(np.stack(masks).astype(np.float32))


def image_error(ex, name: str) -> float:
    return np.abs(ex.image[:, 4::8, 4::8].numpy() - OUTPUTS[f"{name}/image"]).max()


def text_error(ex, name: str) -> float:
    expected = OUTPUTS[f"{name}/text"]
    return max(np.abs(m.numpy() - row[: len(m)]).max() for m, row in zip(ex.text, expected, strict=True))
