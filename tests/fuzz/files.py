"""Files of data sets that are broken, of another kind, spoilt in one value, or shaken."""
import json
import random
from functools import partial
from pathlib import Path

from disk import draw

import nib_utils as nib

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
