"""What a method costs, in forward-equivalents: the time of one image forward inside a batch of 8, in the same run."""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pandas as pd
import torch

from .arithmetic import peak_memory
from .clip import Clip
from .explain import explain
from .files import data_file

BATCH = 8


def seconds(work: Callable[[], object], repeats: int) -> list[float]:
    """Wall time of each of `repeats` calls."""
    times = []
    for _ in range(repeats):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return times


def forward_unit(clip: Clip, pixels: torch.Tensor, repeats: int = 3, library: bool = False) -> float:
    """Seconds of one image forward inside a batch of 8, without gradient (median of `repeats`).

    Of our tower, which computes only the pooled row of its last block; or, with `library`, of the model's own
    library, which is the unit of the published code's costs and about a tenth longer.
    """
    model, eight = clip.model, torch.arange(BATCH) % len(pixels)  # a batch of 8 however many there are
    x = pixels[eight].to(clip.device, clip.dtype)
    own = (lambda: model.encode_image(x)) if hasattr(model, "encode_image") else (
        lambda: model.get_image_features(pixel_values=x))
    with torch.no_grad():
        return statistics.median(seconds(own if library else lambda: clip.image(x), repeats)) / BATCH


def cost(clip: Clip, pixels: torch.Tensor, ids: list, method: str, batch_size: int = BATCH, repeats: int = 3,
         **options) -> dict[str, float]:
    """What one pair costs in `explain`, both modalities, everything included.

    pixels (B, 3, H, W), ids: B captions. forward_equivalents: in forwards of our image tower, with the least and
    the largest of `repeats`; library_forwards: in forwards of the model's own library. Both units are measured
    before and after every repeat, since a machine's speed drifts. Also pairs_per_second, forward_ms, and memory_gb,
    what the first run needed on top of what was there.

    >>> speed.cost(clip, pixels, ids, "nib")["forward_equivalents"]
    """
    return timed(clip, pixels, lambda: explain(clip, pixels, ids, method, batch_size=batch_size, progress=False,
                                               **options), len(ids), repeats)


def timed(clip: Clip, pixels: torch.Tensor, work: Callable[[], object], pairs: int, repeats: int = 3) -> dict:
    """`cost` of any work on `pairs` pairs."""
    memory = peak_memory(work, clip.device)  # the first call pays for allocations
    both = lambda: [forward_unit(clip, pixels, 1, library) for library in (False, True)]
    rows, before = [], both()
    for _ in range(repeats):
        took = seconds(work, 1)[0] / pairs
        after = both()
        rows.append((took, *(2 * took / (b + a) for b, a in zip(before, after))))
        before = after
    took, ratios, library = zip(*rows)
    return {"forward_equivalents": statistics.median(ratios), "least": min(ratios), "largest": max(ratios),
            "library_forwards": statistics.median(library), "pairs_per_second": 1 / statistics.median(took),
            "forward_ms": 1000 * before[0], "memory_gb": memory}


def single_rate(clip: Clip, images, texts, method: str, **options) -> float:
    """Pairs per second one pair at a time, both modalities, after one to warm up: the paper's FPS, but warm."""
    one = lambda i: explain(clip, [images[i]], [texts[i]], method, progress=False, truncate=True, **options)
    one(0)
    return 1 / statistics.median(seconds(lambda i=i: one(i), 1)[0] for i in range(len(texts)))


ARCHITECTURES = {  # image side, patch, image width and depth, text width, feature; of OpenAI's ViTs
    "ViT-B/32": (224, 32, 768, 12, 512, 512),
    "ViT-B/16": (224, 16, 768, 12, 512, 512),
    "ViT-L/14": (224, 14, 1024, 24, 768, 768),
    "ViT-L/14-336": (336, 14, 1024, 24, 768, 768),
}


def random_clip(arch: str = "ViT-B/32", seed: int = 0) -> torch.nn.Module:
    """A `clip.model.CLIP` of that architecture with random weights, for measuring time and testing pipelines."""
    from clip.model import CLIP

    if arch not in ARCHITECTURES:
        raise ValueError(f"no architecture is called {arch!r}; there are {', '.join(ARCHITECTURES)}.")
    side, patch, width, depth, text_width, embed = ARCHITECTURES[arch]
    torch.manual_seed(seed)
    return CLIP(embed, side, depth, width, patch, 77, 49408, text_width, text_width // 64, 12).float().eval()


def random_pairs(clip: Clip, count: int, seed: int = 0) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Noise pixels (count, 3, H, W) and captions of 8 to 20 tokens, as long as people's are."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(count, 3, *clip.preprocess.size, generator=generator)
    lengths = torch.randint(8, 21, (count,), generator=generator).tolist()
    words = [torch.randint(300, 40000, (n - 2,), generator=generator) for n in lengths]
    sos, eos = torch.tensor([clip.tokenizer.sos]), torch.tensor([clip.tokenizer.eos])
    return pixels, [torch.cat([sos, w, eos]) for w in words]


def published_costs() -> pd.DataFrame:
    """What the published code costs at ViT-B/32, two CPU cores: method, batch, published (library forwards)."""
    return pd.read_csv(data_file("published_costs.csv"))
