"""What a method costs and must cost: operations counted by hand, a rate that is a rate, memory that is seen."""
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.studies import cost as study
from nib_utils.studies.cost import (
    calls,
    cost,
    forward_operations,
    forward_unit,
    operations,
    peak_memory,
    product_rate,
    resident,
    seconds,
    timed,
)
from nib_utils.tables.paper import published_costs


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(width=64, layers=3))


def block_products(T: int, D: int) -> float:
    """Multiplications and additions of one whole block: four projections, two products of attention, the MLP."""
    return 2 * T * D * D * 4 + 2 * 2 * T * T * D + 2 * T * D * 4 * D * 2


def test_calls_are_counted_by_hand():
    x = torch.ones(4, 6)
    assert calls(lambda: ((x @ x.T) + 1).relu()) == 3  # the transposed one is a view
    assert calls(lambda: torch.ones(400, 6).view(6, -1)) == 1


def test_operations_of_a_control_are_two_forwards(clip):
    pixels, ids = tiny.pixels(2), tiny.captions((9, 9))
    got = operations(clip, pixels, ids, "all_ones") * 1e9
    D, patches = 64, 4
    image, text = 1 + patches, 9
    whole = 2 * (block_products(image, D) + block_products(text, D)) + 2 * patches * 3 * 32 * 32 * D
    last = sum(2 * T * 3 * D + 2 * D * D * 4 + 2 * D * 4 * D * 2 for T in (image, text))  # one row each, roughly
    assert got == pytest.approx(whole + last, rel=0.03)


def test_the_unit_of_operations_is_a_forward_of_the_picture(clip):
    D, T = 64, 5
    whole = 2 * block_products(T, D) + 2 * 4 * 3 * 32 * 32 * D + 2 * T * 3 * D + 2 * D * D * 4 + 2 * D * 4 * D * 2
    one, many = (forward_operations(clip, tiny.pixels(n)) for n in (1, 3))
    assert one == many == pytest.approx(whole / 1e9, rel=0.03)


def test_a_dearer_method_counts_more(clip):
    pixels, ids = tiny.pixels(2), tiny.captions((9, 5))
    counted = [operations(clip, pixels, ids, m) for m in ("all_ones", "chefer", "gradcam", "nib", "mfaba")]
    assert counted == sorted(counted) and len(set(counted)) == 5
    few, many = (operations(clip, pixels, ids, "rise", only="image", masks=n) for n in (2, 12))
    assert many / few > 3


def test_the_rate_is_of_this_order():
    x, w = torch.randn(256, 256), torch.randn(1024, 256)
    times = seconds(lambda: x @ w.T, 20)
    plain = 2 * 256 * 256 * 1024 / np.median(times) / 1e9
    assert plain / 4 < product_rate(rows=256, width=256) < 4 * plain


def test_memory_is_seen_while_it_is_held():
    assert 0.15 < peak_memory(lambda: torch.ones(60_000_000).sum()) < 0.5  # 0.24 GB


def test_cost_is_in_both_units(clip):
    pixels, ids = tiny.pixels(8), tiny.captions((5,) * 8)
    found = cost(clip, pixels, ids, "chefer", repeats=2)
    assert found["least"] <= found["forward_equivalents"] <= found["largest"]
    assert all(np.isfinite(v) and v >= 0 for v in found.values()) and found["forward_ms"] > 0
    assert {"library_forwards", "memory_gb", "pairs_per_second"} <= set(found)
    assert found["possible_gflop"] > operations(clip, pixels, ids, "chefer") / 2  # none outruns the limit by far


def test_units_and_rate_are_measured_before_and_after_each_repeat(clip, monkeypatch):
    """By hand: 12 pairs in 6 and in 18 seconds, while the machine slows down to a half and then to a quarter."""
    half, asked = nib.wrap(tiny.openai(width=64, layers=3).bfloat16()), []
    speed, took = iter([1, 1 / 2, 1 / 4]), iter([6.0, 18.0])
    now = {}
    monkeypatch.setattr(study, "peak_memory", lambda *work: 0.5)
    monkeypatch.setattr(study, "seconds", lambda work, repeats: [next(took)])

    def unit(of, repeats, library):
        now["speed"] = now["speed"] if library else next(speed)
        asked.append(of)
        return (0.2 if library else 0.1) / now["speed"]

    def rate(device, dtype, repeats):
        asked.append(dtype)
        return 80 * now["speed"]

    monkeypatch.setattr(study, "forward_unit", unit)
    monkeypatch.setattr(study, "product_rate", rate)
    found = timed(half, None, 12, 2, unit=clip)
    assert asked == [clip, clip, torch.bfloat16] * 3
    first, second = 0.5 / 0.15, 1.5 / 0.3  # seconds a pair by the mean of the units around them
    assert found == pytest.approx({
        "forward_equivalents": (first + second) / 2, "least": first, "largest": second,
        "library_forwards": (first + second) / 4, "possible_gflop": (0.5 * 60 + 1.5 * 30) / 2,
        "pairs_per_second": 1, "forward_ms": 225, "memory_gb": 0.5})


def test_resident_memory_is_what_the_system_says():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("this system has no /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    assert resident() == pytest.approx(int(line.split()[1]) * 1024 / 1e9, rel=0.05)


def test_the_unit_is_of_a_batch_of_eight(clip, monkeypatch):
    seen = []
    monkeypatch.setattr(type(clip.image), "__call__", lambda self, x: seen.append(len(x)))
    forward_unit(clip, 1)
    assert seen == [8]


def test_published_costs_have_a_method_each():
    table = published_costs()
    known = {*nib.METHODS, "rise, one mask", "confidence, published"}
    assert set(table.method) <= known and set(nib.PUBLISHED) - {"rise"} <= set(table.method)
