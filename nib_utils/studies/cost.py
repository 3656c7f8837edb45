"""What a method costs, in forward-equivalents: the time of one image forward inside a batch of 8, in the same run."""
from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from ..clip.clip import Clip
from ..common.memory import give_back
from ..maps.explain import explain
from .random_clip import random_pairs

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


def forward_unit(clip: Clip, repeats: int = 3, library: bool = False) -> float:
    """Seconds of one image forward inside a batch of 8 pictures of noise, without gradient (median of `repeats`).

    Of our tower, which computes only the pooled row of its last block; or, with `library`, of the model's own
    library, which is the unit of the published code's costs and about a tenth longer.
    """
    model, x = clip.model, random_pairs(clip, BATCH)[0].to(clip.device, clip.dtype)
    own = (lambda: model.encode_image(x)) if hasattr(model, "encode_image") else (
        lambda: model.get_image_features(pixel_values=x))
    with torch.no_grad():
        return statistics.median(seconds(own if library else lambda: clip.image(x), repeats)) / BATCH


def cost(clip: Clip, pixels: torch.Tensor, ids: list, method: str, batch_size: int = BATCH, repeats: int = 3,
         unit: Clip | None = None, **options) -> dict[str, float]:
    """What one pair costs in `explain`, both modalities, everything included.

    pixels (B, 3, H, W), ids: B captions. forward_equivalents: in forwards of our image tower, with the least and
    the largest of `repeats`; library_forwards: in forwards of the model's own library; possible_gflop: the 1e9
    operations that the machine could have done in that time, at its `product_rate` in the dtype of `clip`. Both
    units and that rate are measured before and after every repeat, since a machine's speed drifts. unit: the Clip
    whose forwards are the unit, by default `clip` itself. Also pairs_per_second, forward_ms, and memory_gb, what
    the first run needed on top of what was there.

    >>> found = cost(clip, pixels, ids, "nib")
    >>> operations(clip, pixels, ids, "nib") / found["possible_gflop"]   # the share of the limit that it reaches
    """
    return timed(clip, lambda: explain(clip, pixels, ids, method, batch_size=batch_size, progress=False, **options),
                 len(ids), repeats, unit)


def timed(clip: Clip, work: Callable[[], object], pairs: int, repeats: int = 3,
          unit: Clip | None = None) -> dict[str, float]:
    """`cost` of any work on `pairs` pairs."""
    memory = peak_memory(work, clip.device)  # the first call pays for allocations
    beside = lambda: (*(forward_unit(unit or clip, 1, library) for library in (False, True)),
                      product_rate(clip.device, clip.dtype, repeats=8))
    rows, before = [], beside()
    for _ in range(repeats):
        took = seconds(work, 1)[0] / pairs
        after = beside()
        forward, library, rate = ((b + a) / 2 for b, a in zip(before, after))
        rows.append((took, forward, took / forward, took / library, took * rate))
        before = after
    took, forward, ratios, library, possible = zip(*rows)
    return {"forward_equivalents": statistics.median(ratios), "least": min(ratios), "largest": max(ratios),
            "library_forwards": statistics.median(library), "possible_gflop": statistics.median(possible),
            "pairs_per_second": 1 / statistics.median(took), "forward_ms": 1000 * statistics.median(forward),
            "memory_gb": memory}


def single_rate(clip: Clip, images, texts, method: str, **options) -> float:
    """Pairs per second one pair at a time, both modalities, after one to warm up: the paper's FPS, but warm."""
    one = lambda i: explain(clip, [images[i]], [texts[i]], method, progress=False, truncate=True, **options)
    one(0)
    return 1 / statistics.median(seconds(lambda i=i: one(i), 1)[0] for i in range(len(texts)))


def operations(clip: Clip, pixels: torch.Tensor, ids: list, method: str, **options) -> float:
    """Floating-point operations of the matrix products in one `explain` of all pairs, per pair, in units of 1e9.

    Counted as they are run, backward passes included; a multiplication and an addition are two. What is not a
    matrix product (norms, softmax, activations) is left out, so their time at the machine's rate is about the best
    that these operations can reach.

    >>> operations(clip, pixels, ids, "nib") / product_rate(clip.device, clip.dtype)   # seconds per pair, at best
    """
    work = lambda: explain(clip, pixels, ids, method, batch_size=len(ids), progress=False, **options)
    return counted(work) / len(ids)


def forward_operations(clip: Clip, pixels: torch.Tensor) -> float:
    """`operations` of one forward of the image tower, per picture of pixels (B, 3, H, W): the unit of forwards.

    >>> operations(clip, pixels, ids, "nib") / forward_operations(clip, pixels)
    """
    with torch.no_grad():
        return counted(lambda: clip.image(pixels.to(clip.device, clip.dtype))) / len(pixels)


def counted(work: Callable[[], object]) -> float:
    """The operations of any work, in units of 1e9."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def calls(work: Callable[[], object]) -> int:
    """How many operations of tensors any work asks for, whatever their size: to a GPU about as many launches."""
    with Calls() as asked:
        work()
    return asked.count


class Calls(TorchDispatchMode):
    """Counts what is asked of the device; to look at a tensor another way asks for nothing."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += not function.is_view
        return function(*args, **(kwargs or {}))


def product_rate(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, width: int = 768,
                 rows: int | None = None, repeats: int = 20) -> float:
    """Rate of a matrix product as an MLP has it, (rows, width) by (width, 4 width), in 1e9 operations per second.

    rows: by default 400, eight images of ViT-B/32, on a CPU, and 16384 on a GPU, which needs more to be busy.
    """
    rows = rows or (16384 if torch.device(device).type == "cuda" else 400)
    x = torch.randn(rows, width, device=device, dtype=dtype)
    weights = [torch.randn(4 * width, width, device=device, dtype=dtype) for _ in range(4)]  # as cold as a block's
    times = []
    for i in range(repeats + 1):
        start = time.perf_counter()
        torch.nn.functional.linear(x, weights[i % 4])
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        times.append(time.perf_counter() - start)
    return 2 * rows * width * 4 * width / statistics.median(times[1:]) / 1e9


def peak_memory(work: Callable[[], object], device: torch.device | str = "cpu") -> float:
    """What `work` needs on top of what was there, at its largest, in GB: allocated on a GPU, resident on a CPU.

    A process that once was larger keeps free memory, from which work would be served unseen; so on a CPU it is given
    back to the system first, where the C library can (glibc).
    """
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e9
    give_back()
    seen, done = [resident()], threading.Event()

    def watch():
        while not done.wait(0.01):
            seen.append(resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(seen) - seen[0]


def resident() -> float:
    """Resident memory of this process now, in GB."""
    return psutil.Process().memory_info().rss / 1e9
