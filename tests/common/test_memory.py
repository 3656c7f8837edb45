"""What is freed goes back to the system, and what only a circle holds is freed."""
import gc
import platform
import weakref

import psutil
import pytest

from nib_utils.common.memory import give_back


class Knot:
    pass


def test_a_circle_is_collected():
    gc.disable()
    try:
        one = Knot()
        one.self = one
        seen = weakref.ref(one)
        del one
        assert seen() is not None
        give_back()
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to give memory back")
def test_holes_are_given_back():
    resident = lambda: psutil.Process().memory_info().rss / 2**20
    pieces = [bytearray(20_000) for _ in range(10_000)]  # 190 MB, each too small for a mapping of its own
    kept = pieces[::100]
    del pieces
    before = resident()
    give_back()
    assert before - resident() > 120 and len(kept) == 100
