"""Tars, Parquet and pictures that are cut, flipped, spliced or of another kind: read, or refused with a reason.

`PYTHONPATH=.:tests python tests/fuzz/shards.py 10000` runs as many cases, in a folder of its own.
"""
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from archives import member, pair, parquet, tar
from PIL import Image

import nib_utils as nib

SECONDS = 20  # after which a case counts as hanging
FORMS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@cache
def sources() -> dict[str, bytes]:
    """A good file of each kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {"tar": tar(folder / "0.tar", *pair("a"), *pair("b", 70), *pair("c", 140)).read_bytes()}
        rows = [{"bytes": picture(form), "path": None} for form in FORMS]
        for compression in ("none", "zstd"):
            file = parquet(folder / "0.parquet", rows, list("abcdef"), row_group_size=3, compression=compression)
            made[f"parquet {compression}"] = file.read_bytes()
    return made | {form: picture(form) for form in FORMS}


def picture(form: str) -> bytes:
    file = BytesIO()
    Image.radial_gradient("L").resize((24, 18)).convert("RGB").save(file, form)
    return file.getvalue()


def spoilt(rng: random.Random, content: bytes) -> bytes:
    """A few of the things that disks, networks and people do to a file."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, long = rng.randrange(len(found) or 1), rng.choice((1, 1, 1, 2, 4, 8, 64))
        how = rng.choice(("flip", "flip", "flip", "cut", "fill", "insert", "remove", "copy", "number"))
        if how == "flip" and found:
            found[at] ^= 1 << rng.randrange(8)
        elif how == "cut" and rng.random() < 0.3:
            del found[at:]
        elif how == "fill":
            found[at : at + long] = bytes([rng.choice((0, 255, 127, 48, 55))]) * long
        elif how == "insert":
            found[at:at] = rng.randbytes(long)
        elif how == "remove":
            del found[at : at + long]
        elif how == "copy":
            found[at : at + 512] = found[: rng.choice((16, 512))]
        elif how == "number":
            found[at : at + 4] = rng.choice((2**31 - 1, 2**32 - 1, 0, 2**31)).to_bytes(4, rng.choice(("little", "big")))
    return bytes(found)


def read(kind: str, content: bytes, folder: Path) -> list:
    """All samples of a file, decoded; checked: each is a picture with a caption, or says why not, and none is lost."""
    if kind in FORMS:
        file = tar(folder / "x.tar", member("a.jpg", content), member("a.txt", b"a"), *pair("b"))
    else:
        file = folder / ("x.tar" if kind == "tar" else "x.parquet")
        file.write_bytes(content)
    stream = nib.open_stream(file)
    found = list(stream)
    assert stream.length() >= 0 and [one.row for one in found] == sorted({one.row for one in found})
    for one in found:
        if one.fault:
            assert one.image is None and 15 < len(one.fault) < 600 and one.fault.isprintable(), one.fault
            assert not re.search(r" 0x[0-9a-f]{6}|Traceback", one.fault), one.fault
        else:
            assert one.image.mode == "RGB" and all(one.image.size) and one.caption.strip()
        assert (one.key + one.caption).encode() is not None
    for _, late in zip(range(2), stream.samples(0, len(found) // 2)):  # from the middle on, it is the same
        assert (late[1].row, late[1].key) in {(one.row, one.key) for one in found}
    if kind in FORMS:
        assert found[-1].key == "b" and not found[-1].fault  # a picture cannot spoil the next
    return found


def shards(rng: random.Random, count: int = 60) -> dict:
    made = {"empty tar": ("tar", b""), "empty parquet": ("parquet", b""), "parquet called tar": ("tar", sources()["parquet none"]),
            "tar called parquet": ("parquet", sources()["tar"])}
    kinds = list(sources())
    for i in range(count - len(made)):
        kind = kinds[i % len(kinds)]
        made[f"{kind} {i}"] = (kind, spoilt(rng, sources()[kind]))
    return {f"shards {name}": partial(read, *case) for name, case in made.items()}


def main(count: int, seed: int = 1) -> None:
    """Run the cases; the first that is not answered stops with its name."""
    from test_fuzz import check_sentence

    answers, slowest = Counter(), 0.0
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(AssertionError(f"it took more than {SECONDS} s")))
    with tempfile.TemporaryDirectory() as name:
        for case, work in shards(random.Random(seed), count).items():
            print(f"\r{case:60}", end="", file=sys.stderr)
            start = time.perf_counter()
            signal.alarm(SECONDS)
            try:
                found = work(Path(name))
                answers["every pair read" if not any(one.fault for one in found) else "some pairs refused"] += 1
            except (ValueError, OSError) as error:
                check_sentence(error)
                answers["the file refused"] += 1
            finally:
                signal.alarm(0)
            slowest = max(slowest, time.perf_counter() - start)
            assert {file.name for file in Path(name).rglob("*")} <= {"x.tar", "x.parquet"}, case
    print(f"\n{sum(answers.values())} cases: {dict(answers)}; the slowest took {slowest:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
