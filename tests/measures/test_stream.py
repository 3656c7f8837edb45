"""A stream measured in parts: as `evaluate` does it, interrupted, killed, with bad pairs among good, and refused."""
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import tiny
import torch
from archives import member, pair, tar

import nib_utils as nib
from nib_utils.data.stream import open_stream
from nib_utils.measures import stream as streaming
from nib_utils.measures.parts import BASE, Parts
from nib_utils.measures.stream import ahead

HERE = Path(__file__).parents[2]
WORK = """
import sys
sys.path.insert(0, "tests")
import tiny, torch, nib_utils as nib
torch.set_num_threads(1)
nib.evaluate_stream(nib.wrap(tiny.openai(layers=2, image_size=64), name="tiny"), "shapes", "random", sys.argv[1], n=20, chunk=2, part=2, measures=["published"])
"""


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=2, image_size=64), name="tiny")


@pytest.fixture
def shards(tmp_path):
    """Three tars of 23 samples, of which four are no pairs, and one that is cut off."""
    bad = {5: [member("5.jpg", b"no picture"), member("5.txt", b"x")], 6: pair("6", caption=" "), 7: [member("7.txt", b"x")],
           19: pair("19", caption="word " * 100)}
    samples = [bad.get(i) or pair(str(i), 10 * i) for i in range(23)]
    for k, (first, last) in enumerate(((0, 8), (8, 11), (11, 23))):
        tar(tmp_path / "shards" / f"{k}.tar", *sum(samples[first:last], []), end=k != 1)
    return tmp_path / "shards"


def rows(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "parts")


def same(folder, other) -> None:
    """Equal to the bit: rows, means and intervals, and what was refused."""
    pd.testing.assert_frame_equal(rows(folder), rows(other), check_exact=True)
    pd.testing.assert_frame_equal(nib.merged(folder), nib.merged(other), check_exact=True)
    assert (folder / "refused.csv").read_bytes() == (other / "refused.csv").read_bytes()


def test_a_stream_is_measured_as_evaluate_does_it(clip, tmp_path):
    pairs = nib.load_pairs("shapes", n=7, seed=2)
    for method in ("random", "nib"):  # one draws at random for each pair, one does not
        folder = nib.evaluate_stream(clip, "shapes", method, tmp_path / method, n=7, seed=2, chunk=3, part=3,
                                     measures=["published", "corrected", "gain"])
        want = nib.evaluate(clip, pairs, method, seed=2, chunk=3, measures=["published", "corrected", "gain"])
        found = rows(folder)
        want = want.drop(columns="explain_seconds").astype(float)
        pd.testing.assert_frame_equal(found[want.columns], want, check_exact=True)
        assert found.pair.tolist() == list(range(7)) and not any(found.fault)
    assert sorted(file.name for file in (folder / "parts").iterdir()) == [
        f"part-{first:09}-{last:09}.parquet" for first, last in ((0, 2), (3, 5), (6, 6))]


def test_bad_pairs_keep_their_place_are_named_and_stop_nothing(clip, shards, tmp_path):
    folder = nib.evaluate_stream(clip, shards, "random", tmp_path / "out", chunk=4, part=8, seed=1)
    found, refused = rows(folder), pd.read_csv(folder / "refused.csv", dtype={"key": str}, keep_default_na=False)
    assert found.pair.tolist() == list(range(24))
    assert list(zip(refused.pair, refused.shard, refused.key)) == [
        (5, "0.tar", "5"), (6, "0.tar", "6"), (7, "0.tar", "7"), (11, "1.tar", ""), (20, "2.tar", "19")]
    assert refused.fault[4] == ("its caption has 102 tokens with SOS and EOS, but the model reads at most 77; shorten it or pass "
                                "truncate=True (in a shell --truncate)")
    measures = found.columns.drop(list(BASE))
    assert (found[measures].isna().all(axis=1) == (found.fault != "")).all() and found[measures].notna().any(axis=1).sum() == 19
    assert (nib.merged(folder).n == 19).all()
    alone = found[found.fault == ""].iloc[-1]  # pair 23: its seed is that of its place in the stream
    sample = list(open_stream(shards))[23]
    ex = nib.explain(clip, [sample.image], [sample.caption], "random", seed=1 + 23)
    assert alone.published_image_drop == pytest.approx(nib.confidence(clip, ex, "published").image_drop[0], abs=1e-4)
    longer = nib.evaluate_stream(clip, shards, "random", tmp_path / "cut", chunk=4, part=8, truncate=True)
    assert len(pd.read_csv(longer / "refused.csv")) == 4


def test_a_part_of_which_nothing_can_be_measured_has_the_same_columns(clip, tmp_path):
    file = tar(tmp_path / "0.tar", *pair("a", caption=" "), *pair("b"), *pair("c"))
    folder = nib.evaluate_stream(clip, file, "random", tmp_path / "out", chunk=1, part=1)
    assert rows(folder).published_image_drop.isna().tolist() == [True, False, False]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_anywhere_and_resumed_it_is_equal_to_the_bit(clip, shards, tmp_path, monkeypatch, error):
    options = dict(chunk=2, part=6, measures=["published"])
    whole = nib.evaluate_stream(clip, shards, "random", tmp_path / "whole", **options)
    rng, explain, decoded = random.Random(str(error)), streaming.explain, streaming.decoded
    stops = 0
    for name, function, calls in (("explain", explain, 8), ("decoded", decoded, 20)) * 2:
        left = [rng.randrange(1, calls)]

        def bomb(*given, function=function, left=left, **more):
            left[0] -= 1
            if left[0] < 0:
                raise error("stopped")
            return function(*given, **more)

        monkeypatch.setattr(streaming, name, bomb)
        try:
            nib.evaluate_stream(clip, shards, "random", tmp_path / "out", **options)
        except error:
            stops += 1
            done = len(rows(tmp_path / "out")) if any((tmp_path / "out" / "parts").glob("*")) else 0
            assert done % 2 == 0
        monkeypatch.undo()
    seen = []
    monkeypatch.setattr(streaming, "explain", lambda clip, x, *given, **more: seen.append(len(x)) or explain(clip, x, *given, **more))
    nib.evaluate_stream(clip, shards, "random", tmp_path / "out", **options)
    assert stops >= 2 and sum(seen) < 24
    same(tmp_path / "out", whole)
    there = {file for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert {file.name for file in there - {*Parts(tmp_path / "out").files()}} == {"manifest.json", "refused.csv", ".lock"}


def test_what_was_done_is_not_decoded_again(clip, shards, tmp_path, monkeypatch):
    nib.evaluate_stream(clip, shards, "random", tmp_path / "out", n=10, chunk=5, part=5)
    seen, decoded = [], streaming.decoded
    monkeypatch.setattr(streaming, "decoded", lambda one: seen.append(one.key) or decoded(one))
    nib.evaluate_stream(clip, shards, "random", tmp_path / "out", n=12, chunk=5, part=5)
    assert seen == ["", "10", ""]  # the grey picture, and two more samples
    nib.evaluate_stream(clip, shards, "random", tmp_path / "out", n=12, chunk=5, part=5)
    assert seen[3:] == [""] and len(rows(tmp_path / "out")) == 12


def test_killed_and_resumed_it_is_equal_to_the_bit(clip, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", WORK, str(out)], cwd=HERE, stderr=subprocess.DEVNULL)
    while len(list(out.glob("parts/part-*"))) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(rows(out))
    assert process.returncode == -signal.SIGKILL and 6 <= done < 20
    (out / "parts" / f".part-{done:09}-{done + 1:09}.{'0' * 32}.part.parquet").write_bytes(b"half")  # as kill -9 may leave it
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for folder in (out, tmp_path / "whole"):
            nib.evaluate_stream(clip, "shapes", "random", folder, n=20, chunk=2, part=2, measures=["published"])
    finally:
        torch.set_num_threads(threads)
    same(out, tmp_path / "whole")
    assert not list(out.rglob(".part-*"))


def test_other_work_is_refused_in_the_same_folder(clip, shards, tmp_path, monkeypatch):
    def again(**changed):
        given = dict(clip=clip, stream=shards, method="random", folder=tmp_path / "out", n=4, chunk=2, part=2)
        return nib.evaluate_stream(**given | changed)

    again()
    before = {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    other = nib.wrap(tiny.openai(layers=3, image_size=64), name="tiny")
    for changed, said in (
            ({"method": "all_ones"}, "method was 'random', now it is 'all_ones'"), ({"seed": 1}, "seed was 0, now it is 1"),
            ({"clip": other}, "weights was '.*', now it is '.*'"), ({"chunk": 1}, "chunk was 2, now it is 1"),
            ({"measures": ["gain"]}, "measures was .*'published'.*, now it is .*'gain'."), ({"truncate": True}, "truncate was False, now it is True"),
            ({"stream": "shapes"}, "stream was 'tar', now it is 'shapes, seed 0'")):
        with pytest.raises(ValueError, match=f"out' holds parts of other work: {said}; go on with what it was, or name another folder"):
            again(**changed)
    monkeypatch.setattr(streaming, "code", lambda but: "other")
    with pytest.raises(ValueError, match="holds parts of other work: code was"):
        again()
    monkeypatch.undo()
    tar(shards / "3.tar", *pair("z"))
    again(n=None)  # more shards have come
    tar(shards / "0.tar", *pair("z"))
    with pytest.raises(ValueError, match="out' holds parts of other shards: '0.tar' of .* bytes is no longer where it was"):
        again()
    assert all(file.read_bytes() == content for file, content in before.items() if file.suffix == ".parquet")


def test_the_next_chunk_is_read_while_one_is_measured():
    asked = []
    chunks = ([(0, place), (0, place + 1)] for place in (10, 12, 14))
    with ThreadPoolExecutor(1) as readers:
        found = ahead(chunks, 10, SimpleNamespace(read=lambda sample, place: asked.append(place) or (sample, place)), readers)
        first, ready = next(found)
        assert first == [(0, 10), (0, 11)] and [one.result() for one in ready] == [(10, 10), (11, 11)]
        assert readers.submit(lambda: list(asked)).result() == [10, 11, 12, 13]
        assert [[one.result()[1] for one in ready] for _, ready in found] == [[12, 13], [14, 15]]


def test_one_process_at_a_time(clip, tmp_path):
    with Parts(tmp_path / "out").alone(), pytest.raises(ValueError, match="another run is at work in '.*out'; wait for it"):
        nib.evaluate_stream(clip, "shapes", "random", tmp_path / "out", n=1)
    nib.evaluate_stream(clip, "shapes", "random", tmp_path / "out", n=1)


@pytest.mark.parametrize("given, said", [
    ({"n": None}, "shapes never ends; say how many"), ({"n": 0}, "n is 0"), ({"chunk": 0}, "chunk is 0"), ({"part": 3, "chunk": 2}, "part is 3 and chunk 2"),
    ({"seed": -1}, "seed is -1"), ({"measures": "words"}, "a measure of a stream is 'words'"), ({"measures": ["words"]}, "a measure of a stream is 'words'; pass one of 'published', 'corrected', 'gain'"),
    ({"measures": []}, "no measure is named"), ({"method": "nothing"}, "no method is called 'nothing'"), ({"stream": "nowhere.tar"}, "no shard 'nowhere.tar'"),
    ({"method": "nib", "layer": 99}, "layer"), ({"folder": "/dev/null/out"}, "cannot be written to")])
def test_what_makes_no_sense_is_refused_before_anything_is_written(clip, tmp_path, given, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        nib.evaluate_stream(**dict(clip=clip, stream="shapes", method="random", folder=tmp_path / "out", n=2) | given)
    assert not os.path.exists(tmp_path / "out")


def test_a_shard_that_is_gone_stops_with_its_name_and_keeps_what_is_done(clip, shards, tmp_path):
    stream = open_stream(shards)
    os.remove(shards / "2.tar")
    with pytest.raises(FileNotFoundError, match="2.tar"):
        nib.evaluate_stream(clip, stream, "random", tmp_path / "out", chunk=2, part=20)
    assert len(rows(tmp_path / "out")) == 12
