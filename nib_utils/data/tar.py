"""A tar's samples as a stream, in the order of its members, without unpacking: NAME.jpg and NAME.txt make a pair.

`tarfile` finds the members. Only their names, kinds and sizes are looked at until a pair is wanted, so a link is never
followed, a name never becomes a path, and what is too large is never read.
"""
from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..common.checks import brief
from ..common.packages import first_line
from .files import SUFFIXES
from .shards import MOST_BYTES, MOST_LETTERS, Sample, printable

Member = tuple[str, str, "tarfile.TarInfo | None", str]  # key, extension, where it is, what is wrong with it


def read_tar(file: Path, start: int = 0) -> Iterator[Sample]:
    """The samples of a tar as img2dataset and webdataset write them, from the `start`-th on, not decoded.

    Members with the same name up to its first dot, one after another, are one sample: the picture's, .jpg and the like,
    and the caption's, .txt; others, as .json, are not read. A sample that is none says so in `fault`; so does one
    without a key at the end, where the rest of the file cannot be read. Raises OSError where the disk cannot be.

    >>> next(read_tar(Path("00000.tar"))).caption
    """
    with open(file, "rb") as opened:
        for row, (key, members) in enumerate(groupby(walk(opened), key=itemgetter(0))):
            picture, text, fault = sorted_out(members)
            if row < start:
                continue
            image, caption = b"", ""
            if not fault:
                image, caption, fault = contents(opened, picture, text)
            yield Sample(file.name, row, printable(key), image, caption, fault)


def count_samples(file: Path) -> int:
    """How many samples `read_tar` makes of a tar."""
    with open(file, "rb") as opened:
        return sum(1 for _ in groupby(walk(opened), key=itemgetter(0)))


def walk(opened: BinaryIO) -> Iterator[Member]:
    """Every member of a tar but folders; the last is a fault without a name where the rest cannot be read."""
    end = -1
    try:
        tar = tarfile.open(fileobj=opened, mode="r:")
        while (member := tar.next()) is not None:
            tar.members.clear()  # which would hold all of them
            if member.size < 0 or tar.offset <= end:
                raise tarfile.ReadError("a member has a size below zero")
            end = tar.offset
            if not member.isdir():
                path = PurePosixPath(member.name)
                name, _, extension = path.name.partition(".")
                key = str(path.with_name(name)) if name else str(path)
                yield key, extension.lower(), member, fault_of(member, path)
        opened.seek(tar.offset)  # there `tarfile` stopped, whatever it found
        if (rest := opened.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut off" if not rest else f"what stands at byte {tar.offset} is no member")
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, MemoryError) as error:  # no errors of the disk
        yield "", "", None, f"the rest of the shard cannot be read ({first_line(error)})"


def fault_of(member: tarfile.TarInfo, path: PurePosixPath) -> str:
    """What is wrong with a member before it is read, in words; empty if nothing is."""
    called = f"the member {brief(member.name)}"
    if not member.isreg() or member.issparse():
        return f"{called} is no plain file but a {'link' if member.issym() or member.islnk() else 'special one'}"
    if path.is_absolute() or ".." in path.parts:
        return f"{called} has a name that leads out of the shard"
    return ""


def sorted_out(members: Iterable[Member]) -> tuple[tarfile.TarInfo | None, tarfile.TarInfo | None, str]:
    """The picture and the text of a sample, and what is wrong with it, in words."""
    picture = text = None
    faults = []
    for _, extension, member, fault in members:
        if fault:
            faults.append(fault)
        elif f".{extension}" in SUFFIXES:
            faults += ["it has several pictures"] if picture else []
            picture = member
        elif extension == "txt":
            faults += ["it has several captions"] if text else []
            text = member
        del faults[1:]  # thousands of members may share a name
    if not faults and picture is None:
        faults = [f"it has no picture ({', '.join(SUFFIXES)}) next to it"]
    if not faults and text is None:
        faults = ["it has no caption (.txt) next to it"]
    return picture, text, "".join(faults)


def contents(opened: BinaryIO, picture: tarfile.TarInfo, text: tarfile.TarInfo) -> tuple[bytes, str, str]:
    """The bytes of a picture, its caption, and what is wrong with them, in words."""
    for what, member, most in (("picture", picture, MOST_BYTES), ("caption", text, MOST_LETTERS)):
        if member.size > most:
            return b"", "", f"its {what} has {member.size} bytes, more than the {most} that are read"
    found = []
    for member in (picture, text):
        opened.seek(member.offset_data)
        found.append(opened.read(member.size))
        if len(found[-1]) < member.size:
            return b"", "", "it is cut off at the end of the shard"
    try:
        caption = found[1].decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return b"", "", "its caption is not text in UTF-8"
    return (found[0], caption, "") if caption else (b"", "", "its caption is empty")
