"""Shards written for a test: tars of members as they are given, good or bad, and Parquet of pictures and captions."""
from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

from PIL import Image


def encoded(colour: int = 0, form: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, (colour, 90, 200)).save(file, form)
    return file.getvalue()


def member(name: str, content: bytes = b"", **changed) -> tuple[tarfile.TarInfo, bytes]:
    """A member and its bytes; `changed` are attributes of its header, its size among them."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changed.items():
        setattr(info, key, value)
    return info, content


def pair(key: str, colour: int = 0, caption: str | None = None) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The members that img2dataset writes for a pair."""
    text = f"caption {key}" if caption is None else caption
    return [member(f"{key}.jpg", encoded(colour)), member(f"{key}.json", b"{}"), member(f"{key}.txt", text.encode())]


def tar(file: Path, *members: tuple[tarfile.TarInfo, bytes], end: bool = True) -> Path:
    """A tar of the members; a header may declare another size than that of the bytes behind it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as opened:
        for info, content in members:
            opened.write(info.tobuf() + content + bytes(-len(content) % 512))
        opened.write(bytes(1024) if end else b"")
    return file


def parquet(file: Path, images: list, captions: list, image: str = "image", caption: str = "caption", **options) -> Path:
    import pyarrow
    from pyarrow import parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table({image: images, caption: captions}), file, **options)
    return file
