"""Hundreds of wrong inputs, drawn by a seed: each is answered in one clear sentence, and leaves nothing behind.

Shaken data files and shards, a few of whose bytes are changed, may also turn out to be readable. FUZZ_SEED=2 makes it
other cases; `tests/fuzz/shards.py` has ten thousand.
"""
import os
import random
import re
import warnings
from pathlib import Path

import pytest
from fuzz.calls import calls
from fuzz.checkpoints import checkpoints
from fuzz.commands import commands
from fuzz.files import files, shaken
from fuzz.shards import shards
from PIL import Image

LEAKS = re.compile(  # how torch, numpy, pandas, PIL and Python speak when nobody has asked them first
    "traceback|size mismatch|expected all tensors|has no attribute|could not infer|can't convert|unsupported operand|"
    "out of range|not subscriptable|unexpected keyword|required positional|cannot unpack|must be real|invalid literal|"
    "truth value|unhashable|not iterable|not callable|no overload|inhomogeneous|object is not|"
    "must match the size|broadcast|dimension|argument of type|state_dict for|0x[0-9a-f]{8}", re.I)


def check_sentence(error: BaseException) -> None:
    text = str(error)
    assert isinstance(error, (ValueError, TypeError, OSError)), f"{type(error).__name__}: {text}"
    assert "\n" not in text.strip() and text.endswith(".") and 20 <= len(text) < 2500, text
    assert not LEAKS.search(re.sub(r"\(\w+(Error|Exception|Warning): [^)]*\)", "", text)), text  # a cause in brackets may
    assert text[0] not in "[{(" and not re.fullmatch(r"'[^' ]*'", text), text


SEED = int(os.environ.get("FUZZ_SEED", 1))  # of other cases
DOORS = {"calls": calls, "files": files, "shaken files": shaken, "checkpoints": checkpoints, "commands": commands, "shards": shards}
CASES = {door: make(random.Random(SEED)) for door, make in DOORS.items()}


def test_there_are_hundreds_of_them():
    counts = {door: len(cases) for door, cases in CASES.items()}
    assert sum(counts.values()) - counts["shaken files"] - counts["shards"] >= 300 and min(counts.values()) >= 40, counts


@pytest.mark.parametrize("error", [
    KeyError("visual.proj"), RuntimeError("it is broken; mend it, please."), ValueError("'visual.proj'"), ValueError("x.pt is bad."),
    ValueError("Error(s) in loading state_dict for CLIP: size mismatch for visual.proj."), ValueError("first line,\nsecond line."),
    TypeError("'NoneType' object is not iterable, so mend it."), OSError(36, "File name too long"), ValueError("no stop at the end")])
def test_what_is_no_clear_sentence(error):
    with pytest.raises(AssertionError):
        check_sentence(error)


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


@pytest.mark.parametrize("name", CASES["shards"])
def test_a_shard_is_read_or_refused(here, name):
    try:
        CASES["shards"][name](here)
    except (ValueError, OSError) as error:
        check_sentence(error)
    assert inside(here) <= {"x.tar", "x.parquet"}


@pytest.mark.parametrize("line", CASES["commands"])
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
