"""How near a method comes to the limit: its matrix products counted, and the rate at which this machine does them."""
from __future__ import annotations

import ctypes
import gc
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from .clip import Clip
from .explain import explain


def operations(clip: Clip, pixels: torch.Tensor, ids: list, method: str, **options) -> float:
    """Floating-point operations of the matrix products in one `explain` of all pairs, per pair, in units of 1e9.

    Counted as they are run, backward passes included; a multiplication and an addition are two. What is not a
    matrix product (norms, softmax, activations) is left out, so their time at the machine's rate is about the best
    that these operations can reach.

    >>> operations(clip, pixels, ids, "nib") / product_rate(clip.device)   # seconds per pair, at best
    """
    with FlopCounterMode(display=False) as counter:
        explain(clip, pixels, ids, method, batch_size=len(ids), progress=False, **options)
    return counter.get_total_flops() / len(ids) / 1e9


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
            torch.cuda.synchronize()
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
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        gc.collect()
        trim(0)
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
    """Resident memory of this process now, in GB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1e6
    raise OSError("this system does not say how much memory a process holds; /proc/self/status has no VmRSS.")
