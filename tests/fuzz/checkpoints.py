"""Files and names that are no model: random bytes, cut and spoilt files, weights of other shapes, pickles that run."""
import os
import pickle
import random
from functools import cache, partial
from pathlib import Path

import tiny
import torch
from safetensors.torch import save

import nib_utils as nib


@cache
def weights() -> dict:
    model = tiny.openai(layers=1, patch_size=64)
    return {name: value.half().contiguous() for name, value in model.state_dict().items()}


class Runs:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


def checkpoint(change, suffix: str, folder: Path):
    """A file of bytes or of a state dict, or of what a function of its folder makes, loaded."""
    file = folder / f"x{suffix}"
    content = change(folder) if callable(change) and not isinstance(change, torch.nn.Module) else change
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif suffix == ".safetensors":
        file.write_bytes(save(content))
    else:
        torch.save(content, file)
    return nib.load_clip(str(file), device="cpu")


def reshaped(key: str, shape: tuple | None, folder: Path) -> dict:
    """The weights with one of another shape, or without it."""
    others = {name: value for name, value in weights().items() if name != key}
    return others if shape is None else others | {key: torch.zeros(shape, dtype=torch.half)}


def checkpoints(rng: random.Random) -> dict:
    found = {}
    keys = sorted(key for key in weights() if key not in ("input_resolution", "context_length", "vocab_size"))
    blob = save({name: value for name, value in weights().items() if "embedding" not in name})
    for suffix in (".pt", ".pth", ".bin", ".safetensors"):
        for size in (0, 1, 8, 64, 5000):
            found[f"{size} random bytes{suffix}"] = partial(checkpoint, rng.randbytes(size), suffix)
        found[f"text{suffix}"] = partial(checkpoint, b"version https://git-lfs.github.com/spec/v1\n", suffix)
        found[f"no tensors{suffix}"] = partial(checkpoint, {}, suffix)
        found[f"others' tensors{suffix}"] = partial(checkpoint, {"fc.weight": torch.ones(2, 2)}, suffix)
    for _ in range(8):
        cut = rng.randrange(1, len(blob))
        found[f"safetensors cut at {cut}"] = partial(checkpoint, blob[:cut], ".safetensors")
        at = rng.randrange(1, 400)
        found[f"safetensors spoilt at {at}"] = partial(checkpoint, blob[:at] + b"\xff{" + blob[at + 2 :], ".safetensors")
    for key in rng.sample(keys, 14):
        for odd, shape in (("gone", None), ("of no size", (0,)), ("of another size", (3, 5))):
            found[f"{key} {odd}"] = partial(checkpoint, partial(reshaped, key, shape), ".safetensors")
    for name, value in (("list", [1, 2]), ("number", 3), ("tensor", torch.ones(2)), ("lists", {"a": [1]}),
                        ("state_dict of none", {"state_dict": None}), ("none", None)):
        found[f"pickled {name}"] = partial(checkpoint, value, ".pt")
    for protocol in range(5):
        found[f"pickle that runs {protocol}"] = partial(
            checkpoint, lambda f, p=protocol: pickle.dumps(Runs(f / "ran"), p), ".pt")
    found["saved model"] = partial(checkpoint, torch.nn.Linear(2, 2), ".pt")
    for spec in ("", " ", "ViT-Z/99", "RN50x999", "hf:", "open_clip:", "open_clip:@", "open_clip:ViT-B-32@", "hf:no/where",
                 "open_clip:nothing@x", "open_clip:local-dir:", "mini ", "MINI", "x" * 5000, "a\0b", "nowhere.pt", "/",
                 "hf:/dev/null", "open_clip:local-dir:/nowhere", "zero\0.pt", "y" * 5000 + ".pt"):
        found[f"spec {spec[:30]!r}"] = lambda folder, spec=spec: nib.load_clip(spec)
    return found
