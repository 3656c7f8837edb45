"""Hundreds of wrong inputs, drawn by a seed: each is answered in one clear sentence, and leaves nothing behind.

Cases are grouped by the door that they knock at: calls, data files, checkpoints, the command line. A case is a name and
a function of a folder of its own; data files whose bytes are only shaken may also turn out to be readable.
"""
import json
import os
import pickle
import random
import re
import warnings
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from disk import draw
from PIL import Image
from safetensors.torch import save

import nib_utils as nib
from nib_utils.batch import run
from nib_utils.common.checks import check_share, check_whole

LEAKS = re.compile(  # how torch, numpy, pandas, PIL and Python speak when nobody has asked them first
    "traceback|size mismatch|expected all tensors|has no attribute|could not infer|can't convert|unsupported operand|"
    "out of range|not subscriptable|unexpected keyword|required positional|cannot unpack|must be real|invalid literal|"
    "truth value|unhashable|not iterable|not callable|no overload|inhomogeneous|object is not|"
    "must match the size|broadcast|dimension|argument of type|state_dict for|0x[0-9a-f]{8}", re.I)


def check_sentence(error: BaseException) -> None:
    text = str(error)
    assert isinstance(error, (ValueError, TypeError, OSError, ImportError)), f"{type(error).__name__}: {text}"
    assert "\n" not in text.strip() and text.endswith(".") and 20 <= len(text) < 2500, text
    assert not LEAKS.search(re.sub(r"\(\w+(Error|Exception|Warning): [^)]*\)", "", text)), text  # a cause in brackets may
    assert text[0] not in "[{(" and not re.fullmatch(r"'[^' ]*'", text), text


# ---- calls

ODD = {"None": None, "-1": -1, "0": 0, "2.5": 2.5, "nan": float("nan"), "inf": float("inf"), "True": True, "empty": "",
       "word": "maybe", "bytes": b"maybe", "list": [], "dict": {}, "set": {"a", "b"}, "object": object(), "huge": 10**30,
       "complex": 1j, "array": np.zeros((2, 2)), "tensor": torch.zeros(2), "frame": pd.DataFrame({"a": [1]}),
       "function": len, "type": int, "surrogate": "\ud800", "nested": [[["a"]]], "-inf": -float("inf")}


@cache
def clip():
    return nib.wrap(tiny.openai(layers=2))


@cache
def ex():
    return nib.explain(clip(), tiny.pixels(2), tiny.captions((5, 6)))


@cache
def pairs() -> pd.DataFrame:
    return nib.load_pairs("shapes", n=2, objects=2)


@cache
def rows() -> pd.DataFrame:
    return pd.DataFrame({"method": list("aabb"), "pair": [0, 1, 0, 1], "drop": [1.0, 2.0, 3.0, 5.0]})


def explain(**changed):
    return nib.explain(**dict(clip=clip(), images=tiny.pixels(1), texts=["a dog"], progress=False) | changed)


def localize(**changed):
    phrases = nib.phrase_pairs(pairs()).head(1)
    options = {k: changed.pop(k) for k in list(changed) if k in ("broken", "method")}
    return nib.localize(clip(), phrases.assign(**{k: [v] for k, v in changed.items()}), **dict(method="nib") | options)


MASKS = torch.ones(2, 64, 64, dtype=torch.bool)
CALLS = {  # what takes an odd value as its one argument: the call, and the odd values that it may rightly take
    "explain images": (lambda v: explain(images=v), ""),
    "explain image": (lambda v: explain(images=[v]), ""),
    "explain texts": (lambda v: explain(texts=v), "word"),
    "explain text": (lambda v: explain(texts=[v]), "word"),
    "explain method": (lambda v: explain(method=v), ""),
    "explain only": (lambda v: explain(only=v), "None"),
    "explain text_target": (lambda v: explain(text_target=v), ""),
    "explain batch_size": (lambda v: explain(batch_size=v), "None huge"),
    "explain image_options": (lambda v: explain(image_options=v), "None dict"),
    "explain text_options": (lambda v: explain(text_options=v), "None dict"),
    "nib steps": (lambda v: explain(steps=v), "huge"),
    "nib layer": (lambda v: explain(layer=v), "None 0"),
    "nib branch": (lambda v: explain(branch=v), ""),
    "m2ib beta": (lambda v: explain(method="m2ib", steps=1, copies=1, beta=v), "0 2.5 huge"),
    "m2ib learning_rate": (lambda v: explain(method="m2ib", steps=1, copies=1, learning_rate=v), "2.5 huge"),
    "m2ib seed": (lambda v: explain(method="m2ib", steps=1, copies=1, seed=v), "-1 0"),
    "rise masks": (lambda v: explain(method="rise", masks=v, only="text"), "None huge"),
    "rise given": (lambda v: explain(method="rise", given=v, only="text"), "None"),
    "random seed": (lambda v: explain(method="random", seed=v), "-1 0"),
    "unknown option": (lambda v: explain(nothing=v), ""),
    "clip": (lambda v: explain(clip=v), ""),
    "wrap": (nib.wrap, ""),
    "load_clip": (nib.load_clip, ""),
    "load_clip dtype": (lambda v: nib.load_clip("mini", dtype=v), ""),
    "load_clip device": (lambda v: nib.load_clip("mini", device=v), "None"),
    "explanation image maps": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], v, [torch.ones(4)]), ""),
    "explanation image map": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], [v], [torch.ones(4)]), "array"),
    "explanation text maps": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], torch.ones(1, 64, 64), v),
                              "list empty dict"),
    "explanation text map": (lambda v: nib.explanation(clip(), tiny.pixels(1), ["a dog"], torch.ones(1, 64, 64), [v]), ""),
    "confidence ex": (lambda v: nib.confidence(clip(), v), ""),
    "confidence protocol": (lambda v: nib.confidence(clip(), ex(), v), ""),
    "curves ex": (lambda v: nib.curves(clip(), v), ""),
    "curves fill": (lambda v: nib.curves(clip(), ex(), fill=v), ""),
    "curves points": (lambda v: nib.curves(clip(), ex(), points=v), "huge"),
    "evaluate pairs": (lambda v: nib.evaluate(clip(), v, "nib"), ""),
    "evaluate method": (lambda v: nib.evaluate(clip(), pairs(), v), ""),
    "evaluate chunk": (lambda v: nib.evaluate(clip(), pairs(), "nib", chunk=v), "huge"),
    "evaluate seed": (lambda v: nib.evaluate(clip(), pairs(), "random", seed=v), "-1 0"),
    "localize mask": (lambda v: localize(mask=v), ""),
    "localize phrase": (lambda v: localize(phrase=v), "word"),
    "localize image": (lambda v: localize(image=v), ""),
    "localize method": (lambda v: localize(method=v), ""),
    "localize broken": (lambda v: localize(broken=v), ""),
    "phrase_pairs": (nib.phrase_pairs, ""),
    "pointing maps": (lambda v: nib.pointing(v, MASKS), ""),
    "iou keep": (lambda v: nib.iou(torch.rand(2, 64, 64), MASKS, keep=v), "-1 0 2.5 huge"),
    "iou masks": (lambda v: nib.iou(torch.rand(2, 64, 64), v), ""),
    "box_masks": (lambda v: nib.box_masks(v, 8, 8), "list"),
    "crop_masks": (lambda v: nib.crop_masks(v, clip().preprocess), ""),
    "load_pairs name": (nib.load_pairs, ""),
    "load_pairs root": (lambda v: nib.load_pairs("csv", v), ""),
    "load_pairs n": (lambda v: nib.load_pairs("shapes", n=v), "None huge"),
    "load_pairs seed": (lambda v: nib.load_pairs("shapes", n=1, seed=v), "0 huge"),
    "load_pairs order": (lambda v: nib.load_pairs("shapes", n=1, order=v), ""),
    "load_pairs objects": (lambda v: nib.load_pairs("shapes", n=1, objects=v), "None"),
    "load_pairs held_out": (lambda v: nib.load_pairs("shapes", n=1, held_out=v), "True"),
    "pick_captions rule": (lambda v: nib.pick_captions(clip(), pairs().assign(captions=[["a"]] * 2), v), ""),
    "interval values": (nib.interval, "tensor"),
    "interval level": (lambda v: nib.interval([1.0, 2.0], level=v), ""),
    "interval draws": (lambda v: nib.interval([1.0, 2.0], draws=v), "huge"),
    "summary rows": (lambda v: nib.summary(v, "drop"), ""),
    "summary metrics": (lambda v: nib.summary(rows(), v), ""),
    "compare metric": (lambda v: nib.compare(rows(), v), ""),
    "compare reference": (lambda v: nib.compare(rows(), "drop", reference=v), "None"),
    "ranks better": (lambda v: nib.ranks(rows(), "drop", better=v), ""),
    "bold": (nib.bold, ""),
    "check_whole": (lambda v: check_whole("n", v, 1), "huge"),
    "check_share": (lambda v: check_share("share", v), "0"),
}


def calls(rng: random.Random) -> dict:
    """Of each call, a handful of the odd values that it must refuse."""
    found = {}
    for name, (call, taken) in CALLS.items():
        refused = [odd for odd in ODD if odd not in taken.split()]
        for odd in rng.sample(refused, 6):
            found[f"{name}: {odd}"] = lambda folder, call=call, odd=odd: call(ODD[odd])
    return found


# ---- data files

LONG = "x" * 200_000
COCO = {"images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}], "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "segmentation": [[0, 0, 4, 0, 4, 4]]}]}
KARPATHY = {"images": [{"filename": "a.png", "split": "test", "sentences": [{"raw": "a dog"}]}]}
LIST = [{"image": "a.png", "caption": ["a dog", "a cat"]}]
TABLES = {
    "csv": b"image,caption\na.png,a dog\na.png,\"a cat, a dog\"\n", "tsv": b"image\tcaption\na.png\ta dog\n",
    "txt": b"a.png#0\ta dog\na.png#1\ta cat\n"}
BROKEN = {  # certainly wrong
    "empty": b"", "nulls": b"\0" * 50, "utf16": "image,caption\na.png,a dog\n".encode("utf-16"), "newlines": b"\n\n\n",
    "latin1": b"image,caption\na.png,K\xe4fer\n", "header only": b"image,caption\n", "no header": b"a.png,a dog\n",
    "bom only": b"\xef\xbb\xbf",
    "open quote": b'image,caption\na.png,"a dog\n', "long row": b"image,caption\na.png,a, dog, or, cat\n",
    "twice": b"image,caption,caption\na.png,a,b\n", "no caption": b"image,x\na.png,y\n", "gone": b"image,caption\nb.png,y\n",
    "empty caption": b"image,caption\na.png, \n", "huge name": b"image,caption\n" + LONG.encode() + b",y\n",
    "huge header": LONG.encode() + b"\n", "null name": b"image,caption\na\0.png,y\n", "folder": b"image,caption\n.,y\n",
    "pipes": b"image|caption\na.png|y\n", "reserved": b"image,caption,fault\na.png,y,z\n", "binary": bytes(range(256)),
    "carriage": b"image,caption\ra.png,\r", "picture": b"\x89PNG\r\n\x1a\n" + bytes(100), "zip": b"PK\x03\x04" + bytes(100),
    "html": b"<html><body>404</body></html>", "quotes": b'"""""",""""""\n"', "short row": b"image,caption\na.png\n"}


def load(name: str, file: str, content: bytes, folder: Path, **options):
    draw(folder, "a.png")
    (folder / file).write_bytes(content)
    return nib.load_pairs(name, folder / file, **options)


def values_in(thing, path=()):
    """The path to every value in a JSON."""
    yield path
    for key in thing if isinstance(thing, dict) else range(len(thing)) if isinstance(thing, list) else ():
        yield from values_in(thing[key], (*path, key))


def spoil(thing, path: tuple, value):
    """A copy with the value at a path replaced, or taken away where it is `...`."""
    copy = json.loads(json.dumps(thing))
    if not path:
        return value
    *above, last = path
    inner = copy
    for key in above:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copy


FREE = {(0, "caption", 1), ("images", 0, "id"), ("annotations", 0, "id"), ("categories", 0, "name"), ("images", 0, "split")}  # may be odd


def files(rng: random.Random) -> dict:
    found = {f"csv {name}": partial(load, "csv", "t.csv", content) for name, content in BROKEN.items()}
    found |= {f"cc {name}": partial(load, "cc", "t.tsv", content.replace(b",", b"\t")) for name, content in BROKEN.items()
              if name not in ("long row", "pipes")}
    for name, text in (("[", "["), ("deep", "[" * 9999), ("number", "5"), ("text", '"x"'), ("null", "null"), ("list", "[]"),
                       ("object", "{}"), ("NaN", "NaN"), ("utf16", "\ufeff\0["), ("tail", "[] x"), ("nulls", "[null]")):
        found[f"coco {name}"] = partial(load, "coco", "instances.json", text.encode())
        found[f"flickr8k {name}"] = partial(load, "flickr8k", "t.json", text.encode())
    wrong = {"none": None, "list": [[]], "object": {"a": {}}, "nan": float("nan"), "gone": ..., "huge": 10**400, "neg": -1.5}
    for kind, name, content in (("coco", "instances.json", COCO), ("flickr8k", "t.json", KARPATHY), ("flickr8k", "t.json", LIST)):
        for path in values_in(content):
            for odd in rng.sample(sorted(wrong), 3):
                if path in FREE or (path[-1:] == (0,) and odd == "gone") or (path == () and odd == "gone"):
                    continue
                if path[:2] == ("annotations", 0) and len(path) > 3 and odd in ("neg",):
                    continue
                text = json.dumps(spoil(content, path, wrong[odd])).encode()
                found[f"{kind} {'/'.join(map(str, path))}: {odd}"] = partial(load, kind, name, text)
    return found


def shaken(rng: random.Random) -> dict:
    """Files with a few bytes changed, put in, taken out or cut off, which may still be whole."""
    sources = [("csv", "t.csv", TABLES["csv"]), ("csv", "t.tsv", TABLES["tsv"]), ("flickr8k", "t.token.txt", TABLES["txt"]),
               ("coco", "instances.json", json.dumps(COCO).encode()), ("flickr8k", "t.json", json.dumps(KARPATHY).encode())]
    found = {}
    for i in range(100):
        kind, name, content = sources[i % len(sources)]
        content = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(content))
            content[at : at + rng.choice((0, 1, 1, 5))] = bytes(rng.choices(b'"\',;\t\n\r\0\xff\xefa0#{}[]', k=rng.choice((0, 1, 3))))
        if rng.random() < 0.3:
            del content[rng.randrange(len(content)) :]
        found[f"{kind} {i}"] = partial(load, kind, name, bytes(content))
    return found


# ---- checkpoints

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


# ---- the command line

COMMANDS = [
    "", "fly", "run nothing", "run ''", "run main_table nothing", "run --n two", "run --n 0", "run --n -5", "run --n 1.5",
    "run --model nothing", "run --model nowhere.pt", "run --model hf:", "run --model ''", "run --dataset nothing",
    "run --dataset csv", "run --dataset csv --root nowhere.csv", "run --dataset csv --root ''", "run --dataset folders --root nowhere",
    "run -p nothing 1", "run -p n two", "run -p n true", "run -p n [1]", "run -p n -3", "run -p n {a", "run -p n",
    "run -p methods nib", "run -p methods [nothing]", "run -p methods []", "run -p methods [1]", "run -p fast maybe",
    "run -p fast 2", "run -p seed true", "run -p seed -1", "run -p model [mini]", "run -p dataset nothing", "run -p n !!python/x",
    "run -p results ''", "run --results ''", "run --unknown", "run quickstart -p image nowhere.jpg", "run quickstart -p image \"''\"",
    "run quickstart -p caption 5", "run quickstart --n 3", "download-cc", "download-cc nowhere.tsv root",
    "download-cc nowhere.tsv root --n 0", "download-cc nowhere.tsv root --workers 0", "download-cc . root", "download-cc '' root"]


def command(line: str, folder: Path) -> None:
    import shlex

    return run.main(shlex.split(line))


# ---- the test

DOORS = {"calls": calls, "files": files, "shaken files": shaken, "checkpoints": checkpoints,
         "commands": lambda rng: {line: partial(command, line) for line in COMMANDS}}
CASES = {door: make(random.Random(1)) for door, make in DOORS.items()}


def test_there_are_hundreds_of_them():
    counts = {door: len(cases) for door, cases in CASES.items()}
    assert sum(counts.values()) - counts["shaken files"] >= 300 and min(counts.values()) >= 40, counts


def inside(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to stand in, from which no notebook starts and no link is followed."""
    monkeypatch.chdir(tmp_path)
    for name in ("FAST", "NIB_UTILS_BATCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("papermill.execute_notebook", lambda *a, **k: pytest.fail("a notebook was started"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield tmp_path


def refused(case, folder: Path) -> None:
    with pytest.raises(BaseException) as caught:
        case(folder)
    if isinstance(caught.value, (pytest.fail.Exception, AssertionError, KeyboardInterrupt)):
        raise caught.value
    check_sentence(caught.value)
    assert inside(folder) <= {"a.png", "t.csv", "t.tsv", "t.json", "t.token.txt", "instances.json", "x.pt", "x.pth", "x.bin",
                              "x.safetensors"}


@pytest.mark.parametrize("name", CASES["calls"])
def test_a_call(here, name):
    refused(CASES["calls"][name], here)


@pytest.mark.parametrize("name", CASES["files"])
def test_a_file(here, name):
    refused(CASES["files"][name], here)


@pytest.mark.parametrize("name", CASES["checkpoints"])
def test_a_checkpoint(here, name):
    refused(CASES["checkpoints"][name], here)


@pytest.mark.parametrize("name", CASES["shaken files"])
def test_a_shaken_file_is_read_or_refused(here, name):
    try:
        found = CASES["shaken files"][name](here)
    except Exception as error:
        check_sentence(error)
    else:
        assert len(found) and all(isinstance(text, str) and text.strip() for text in found["caption"])
        assert all(Image.open(image).size == (8, 8) for image in found["image"])
    assert len(inside(here)) == 2


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command(here, line, capsys):
    try:
        code = CASES["commands"][line](here)
    except SystemExit as stopped:
        code = stopped.code
    said = capsys.readouterr().err.strip().splitlines()
    *usage, told = said
    assert code and re.match(r"(python -m )?nib_utils\b", told) and len(told) > 30 and "Traceback" not in told, (code, said)
    assert told.endswith(".") if not usage else usage[0].startswith("usage: ") and "error: " in told, said  # argparse's way
    assert not any(line.startswith(("nib_utils", "python")) for line in usage) and not inside(here), said
