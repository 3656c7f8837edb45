"""What a run leaves: tables, figures and a record, each whole, and the old ones where the new cannot be written."""
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from nib_utils.apps.batch.results import Results

ASKED = {"n": 24, "fast": False}
FRAME = pd.DataFrame({"value": range(50_000)})


@pytest.fixture
def figure():
    figure, axis = plt.subplots(figsize=(20, 20))
    axis.imshow(np.random.default_rng(0).random((500, 500)))  # noise cannot be packed
    yield figure
    plt.close(figure)


def left(store):
    return {file.name: file.read_bytes() for file in store.folder.iterdir()}


def fill(root):
    store = Results(root, "theory", ASKED)
    store.table("sums", FRAME.head())
    store.product("small.png", lambda part: part.write_bytes(b"old"))
    store.close(pairs=24, caption="数据")
    return left(store)


def test_a_record_says_what_made_the_files(tmp_path):
    fill(tmp_path)
    record = json.loads((tmp_path / "theory/mini-shapes/theory.json").read_text(encoding="utf-8"))
    assert record["parameters"] == ASKED and record["files"] == ["small.png", "sums.csv"]
    assert record["caption"] == "数据" and record["pairs"] == 24 and "torch" in record["versions"]


def test_a_new_product_takes_the_old_record_with_it(tmp_path):
    fill(tmp_path)
    store = Results(tmp_path, "theory", ASKED)
    assert store.record.exists()
    store.table("sums", FRAME)
    assert not store.record.exists() and (store.folder / "small.png").exists()


def test_on_a_full_disk_the_old_results_stay_whole(small_disk, figure):
    old = fill(small_disk)
    store = Results(small_disk, "theory", ASKED)
    for name, write in (("sums.csv", lambda: store.table("sums", FRAME)), ("small.png", lambda: store.figure("small", figure)),
                        ("theory.json", lambda: store.close(long="x" * 300_000))):
        with pytest.raises(OSError, match=f"theory/mini-shapes/{name}' cannot be written .No space left on device"):
            write()
    assert left(store) == old


def test_where_writing_fails_the_old_results_stay_whole(tmp_path, figure, monkeypatch):
    """The same where no disk can be mounted."""
    old = fill(tmp_path)
    store = Results(tmp_path, "theory", ASKED)

    def full(self, part, *_, **__):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    monkeypatch.setattr(type(figure), "savefig", full)
    for write in (lambda: store.table("sums", FRAME), lambda: store.figure("small", figure)):
        with pytest.raises(OSError, match="mini-shapes/s.* cannot be written .No space left on device"):
            write()
    assert left(store) == old


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="results is empty"):
        Results(" ", "theory", {})
