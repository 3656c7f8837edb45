"""`stream` from the shell: tables and parts, the same command again, a signal, and what is refused before torch is there."""
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from archives import encoded, member, pair, parquet, tar

import nib_utils as nib
from nib_utils.apps import shell
from nib_utils.measures import stream as streaming

HERE = Path(__file__).parents[2]


@pytest.fixture
def shards(tmp_path):
    tar(tmp_path / "cc" / "00000.tar", *pair("a"), member("b.jpg", b"no picture"), member("b.txt", b"b"))
    tar(tmp_path / "cc" / "00001.tar", *pair("c"))
    return tmp_path / "cc"


def test_tars_come_to_tables(shards, tmp_path, capsys):
    out = tmp_path / "out"
    line = ["stream", f"{shards}/{{00000..00001}}.tar", "--method", "random", "--measures", "published", "--out", str(out), "--part", "40"]
    assert shell.main(line) == 0
    said = capsys.readouterr().out
    assert "3 pairs of 2 shards, 1 of them refused (refused.csv); " in said and f"pairs a second; tables in {out}" in said
    assert sorted(file.name for file in out.iterdir()) == [".lock", "manifest.json", "parts", "parts.csv", "refused.csv", "summary.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(out / "summary.csv", index_col=0), nib.merged(out))
    assert pd.read_csv(out / "refused.csv").key.tolist() == ["b"] and pd.read_csv(out / "parts.csv")["last"].tolist() == [2]
    before = (out / "summary.csv").read_bytes()
    tar(shards / "00001.tar", *pair("c"))
    assert shell.main(line) == 0 and (out / "summary.csv").read_bytes() == before
    assert shell.main([*line, "--seed", "1"]) == 1
    assert "nib_utils: " in (told := capsys.readouterr().err) and "seed was 0, now it is 1; go on with what it was" in told


def test_parquet_columns_and_options_of_the_method(tmp_path, capsys):
    parquet(tmp_path / "p" / "0.parquet", [encoded(1)], ["a red ring"], "foto", "says")
    line = ["stream", str(tmp_path / "p"), "--image", "foto", "--caption", "says", "--method", "nib", "--layer", "3", "-p", "steps", "2",
            "--measures", "gain", "--out", str(tmp_path / "out")]
    assert shell.main(line) == 0
    assert "image_gain" in capsys.readouterr().out
    assert '"options": {\n   "steps": 2,\n   "layer": 3\n  }' in (tmp_path / "out" / "manifest.json").read_text()


def test_where_no_pair_could_be_measured_there_is_no_summary(tmp_path, capsys):
    assert shell.main(["stream", str(tar(tmp_path / "0.tar", *pair("a", caption=" "))), "--out", str(tmp_path / "out")]) == 1
    assert "0.tar' was measured: all 1 pairs are refused, as '" in capsys.readouterr().err and not (tmp_path / "out" / "summary.csv").exists()


def test_sigterm_keeps_what_is_done_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    explain, seen = streaming.explain, []

    def slow(clip, x, *given, **more):
        seen.append(len(x))
        if len(seen) == 3:  # the grey picture, forty pairs, and in the middle of the next
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return explain(clip, x, *given, **more)

    line = ["stream", "shapes", "--n", "80", "--method", "random", "--measures", "published", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(streaming, "explain", slow)
    before = signal.getsignal(signal.SIGTERM)
    assert shell.main(line) == 130 and signal.getsignal(signal.SIGTERM) is before
    assert logging.getLogger("others").isEnabledFor(logging.WARNING)  # what it kept silent at its end may speak again
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    assert len(pd.read_parquet(tmp_path / "out" / "parts")) == 40
    assert shell.main(line) == 0 and seen == [1, 40, 40, 1, 40]
    assert len(pd.read_parquet(tmp_path / "out" / "parts")) == 80


def test_what_makes_no_sense_is_refused_without_torch(tmp_path):
    code = ("import sys; from nib_utils.apps.shell import main; code = main(sys.argv[1:]);"
            "assert code == 1 and 'torch' not in sys.modules, (code, 'torch' in sys.modules)")
    for line in ("stream nowhere.tar --out o", "stream shapes --out o", "stream shapes -n 3 --out o --method nothing",
                 "stream shapes -n 3 --out o -p nothing 1", "stream shapes -n 3 --out o --model nowhere.pt"):
        done = subprocess.run([sys.executable, "-c", code, *line.split()], cwd=tmp_path, capture_output=True, text=True,
                              env={"PYTHONPATH": str(HERE)})
        assert done.returncode == 0, (line, done.stderr)
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_one_sentence_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert shell.main(["stream", "shapes", "-n", "3", "--out", str(tmp_path / "out")]) == 1
    assert "'pyarrow' is needed but cannot be imported" in capsys.readouterr().err and not (tmp_path / "out").exists()
