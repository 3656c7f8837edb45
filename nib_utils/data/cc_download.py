"""Conceptual Captions fetched from its public list of links: resumed, checked, the dead ones named."""
from __future__ import annotations

import hashlib
import http.client
import itertools
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

import pandas as pd
from PIL import Image

from ..common.checks import check_whole
from ..common.files import check_writable, write_whole
from ..common.progress import progress
from .files import SUFFIXES

WAVE = 1000  # links in work at a time: a list has millions
LARGEST = 50_000_000  # bytes; what is larger is not fetched to its end
SECONDS = 15  # without a byte, after which a link counts as dead


def download_cc(list_file: str | Path, root: str | Path, n: int | None = None, workers: int = 16,
                fetch: Callable[[str], bytes] | None = None) -> pd.DataFrame:
    """Fetch the pictures of a list into root/images/ and write root/cc.csv, which `load_pairs("cc", root)` reads.

    list_file: lines "caption TAB url" (CC3M) or "url TAB caption" (CC12M). n: how many pairs to have, the first of
    the list whose links are alive; None: all. workers: how many links at a time. fetch: url -> bytes, in place of
    http. A picture is written whole or not at all, and only if it can be decoded; one that is there and whole is not
    fetched again, so that the same call goes on where it stopped; dead links are tried again. They are listed in
    root/dead_links.csv (row of the list, url, reason). Returns the pairs: file_path, caption, row, url. Raises
    FileNotFoundError for a missing list, ValueError for one in which no link is alive.

    >>> download_cc("Train_GCC-training.tsv", "cc", n=2000)
    >>> nib.load_pairs("cc", "cc")
    """
    list_file, root = Path(list_file), Path(root)
    if n is not None:
        check_whole("n", n, 1)
    check_whole("workers", workers, 1)
    if not list_file.is_file():
        raise FileNotFoundError(f"there is no list '{list_file}'; get one of lines 'caption TAB url' at "
                                "https://ai.google.com/research/ConceptualCaptions/download.")
    check_writable(root / "images", "the folder of the pictures")
    pairs, dead, lines = [], [], read_list(list_file)
    with ThreadPoolExecutor(workers) as pool, progress(n or count(list_file), "download", unit="picture") as bar:
        try:
            while wanted := list(itertools.islice(lines, WAVE if n is None else min(WAVE, n - len(pairs)))):
                urls = dict.fromkeys(url for *_, url in wanted)  # each once: two rows may share a picture
                jobs = {url: pool.submit(obtain, url, root, fetch or fetch_http) for url in urls}
                for row, caption, url in wanted:
                    name, why = jobs[url].result()
                    why = why or ("" if caption else "the caption is empty")
                    if why:
                        dead.append((row, url, why))
                    else:
                        pairs.append((name, caption, row, url))
                    bar.update(n is None or not why)
                    bar.set_postfix(dead=len(dead), refresh=False)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what has begun is finished, nothing else is asked for
            raise
    found = pd.DataFrame(pairs, columns=["file_path", "caption", "row", "url"])
    lost = pd.DataFrame(dead, columns=["row", "url", "reason"])
    write_whole(root / "dead_links.csv", lambda part: lost.to_csv(part, index=False))
    if not len(found):
        first = f"; the first: row {lost.row[0]}, {lost.reason[0]}" if len(lost) else ", for it is empty"
        raise ValueError(f"no link of '{list_file}' gave a picture{first}; check the list and the network.")
    write_whole(root / "cc.csv", lambda part: found.to_csv(part, index=False))
    if n is not None and len(found) < n:
        warnings.warn(f"{n} pairs were asked for but '{list_file}' gave {len(found)}; all are used.", stacklevel=2)
    return found


def read_list(file: Path) -> Iterator[tuple[int, str, str]]:
    """(row from 1, caption, url) of each line that is not blank; the url is empty where a line has none."""
    with open(file, encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        for row, line in enumerate(lines, 1):
            caption, _, url = (part.strip() for part in line.partition("\t"))
            if caption.lower().startswith(("http://", "https://")):
                caption, url = url, caption
            if caption or url:
                yield row, caption, url


def count(file: Path) -> int:
    return sum(1 for _ in read_list(file))


def obtain(url: str, root: Path, fetch: Callable[[str], bytes]) -> tuple[str, str]:
    """The picture of a link, on disk: its path relative to root, and why there is none ("" if there is)."""
    name = file_name(url)
    if not url.lower().startswith(("http://", "https://")):
        return name, "the line is not 'caption TAB url' with an http link"
    if (root / name).is_file() and not undecodable((root / name).read_bytes()):
        return name, ""
    try:
        content = fetch(url)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return name, reason(error)
    if why := undecodable(content):
        return name, why
    write_whole(root / name, lambda part: part.write_bytes(content))
    return name, ""


def file_name(url: str) -> str:
    """Where a link's picture lies: named by the link itself, whatever list and row it stands in."""
    try:
        suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    except ValueError:
        suffix = ""
    return f"images/{hashlib.sha256(url.encode()).hexdigest()[:16]}{suffix if suffix in SUFFIXES else '.jpg'}"


def fetch_http(url: str) -> bytes:
    """The bytes at an http(s) address; raises OSError, ValueError or HTTPException when they cannot be had."""
    plain = quote(url, safe="%/:=&?~#+!$,;'@()*[]")  # some links hold letters that http does not carry
    request = urllib.request.Request(plain, headers={"User-Agent": "Mozilla/5.0 (compatible; nib_utils)"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        content = answer.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"larger than {LARGEST / 1e6:.0f} MB")
    if answer.length:  # what was announced and did not come
        raise http.client.IncompleteRead(content, answer.length)
    return content


def reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}".strip()
    told = getattr(error, "reason", None) or error  # a URLError wraps what went wrong
    return f"{type(told).__name__}: {told}" if isinstance(told, Exception) else str(told)


def undecodable(content: bytes) -> str:
    """Why bytes are not a picture that can be decoded to its end; empty if they are."""
    try:
        with Image.open(BytesIO(content)) as picture:
            picture.load()
    except Exception as error:  # strangers' bytes make a decoder fail in any way
        return f"not a picture ({type(error).__name__} in {len(content)} bytes)"
    return ""
