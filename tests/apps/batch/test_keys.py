"""What a job's results follow from: when anything of it is another, they are made anew, and only then."""
import json
import os
import shutil

import pytest
from faults.sandbox import Sandbox

from nib_utils.apps.batch import keys, run
from nib_utils.apps.batch.grid import Job
from nib_utils.apps.batch.keys import key_of, made_in, reason
from nib_utils.apps.batch.names import asked, executed_copy, run_folder

PARTS = ["notebook", "parameters", "code", "model", "data", "read"]


@pytest.fixture
def made(tmp_path):
    """A function that leaves behind what a run of a notebook would."""
    root = tmp_path / "results"

    def make(notebook, **parameters):
        given = asked(notebook, parameters)
        folder = run_folder(root, notebook, given)
        folder.mkdir(parents=True)
        record = {"parameters": given, "files": ["a.csv"], "key": key_of(notebook, given, root), "made_in": made_in(root, begin=True)}
        (folder / f"{notebook}.json").write_text(json.dumps(record))
        (folder / "a.csv").write_text("a\n1\n")
        executed_copy(notebook, given, root).write_text("{}")
        return folder

    make.root, make.why = root, lambda notebook, **parameters: reason(notebook, asked(notebook, parameters), root)
    return make


def test_the_parts_of_a_key(tmp_path):
    given = asked("main_table", {})
    key = key_of("main_table", given, tmp_path)
    assert list(key) == PARTS and key == key_of("main_table", given | {"results": "elsewhere"}, tmp_path)
    assert key["model"] and key["data"] is key["read"] is None
    other = key_of("main_table", given | {"seed": 1}, tmp_path)
    assert [part for part in PARTS if key[part] != other[part]] == ["parameters"]
    assert key_of("main_table", given | {"model": "ViT-B/32"}, tmp_path)["model"] is None  # its publisher keeps it
    assert [part for part in PARTS if key_of("report", {}, tmp_path)[part] is None] == ["model", "data"]


def test_weights_and_pictures_are_told_apart_by_what_they_hold(tmp_path):
    weights, table, picture = tmp_path / "own.pt", tmp_path / "pairs.csv", tmp_path / "images" / "a.png"
    picture.parent.mkdir()
    for file in (weights, table, picture):
        file.write_bytes(b"one")
    given = asked("main_table", {"model": str(weights), "dataset": "csv", "root": str(table)})
    found = lambda **more: key_of("main_table", given | more, tmp_path)
    first, folder = found(), found(root=str(tmp_path / "images"))
    os.utime(weights, (1, 1))
    assert found() == first  # touched, and the same
    for file, part in ((weights, "model"), (table, "data"), (picture, "data")):
        before = found()
        file.write_bytes(b"three")
        assert [name for name in PARTS if found()[name] != before[name]] == [part], file
    assert found(root=str(tmp_path / "images"))["data"] != folder["data"]
    os.symlink(tmp_path / "nowhere", tmp_path / "images" / "link")
    assert found(root=str(tmp_path / "images"))["data"]  # a link that leads nowhere stops nothing


def test_why_a_job_is_to_be_run(made, monkeypatch):
    assert made.why("theory") == "missing"
    folder = made("theory")
    assert made.why("theory") is None and made.why("theory", seed=1) == "missing"
    monkeypatch.setattr(keys.digests, "code", lambda: "another")
    assert made.why("theory") == "changed: code"
    monkeypatch.undo()
    executed_copy("theory", asked("theory", {}), made.root).unlink()
    assert made.why("theory") == "gone: theory-mini-shapes.ipynb"
    (folder / "a.csv").unlink()
    assert made.why("theory") == "gone: a.csv"
    (made.root.parent / "runs" / "id").unlink()
    assert made.why("theory") == "made elsewhere"
    (folder / "theory.json").write_text('{"parameters": {}}')
    assert made.why("theory") == "made elsewhere"  # by a run that kept no key


def test_what_reads_other_results_is_made_anew_with_them(made):
    made("main_table")
    made("reference")
    job = lambda name, **more: Job(name, {"results": str(made.root)} | more)
    assert run.why([job("main_table"), job("reference")]) == [None, None]
    assert run.why([job("localization"), job("reference")]) == ["missing", "reads localization"]
    made("main_table", model="ViT-B/32")
    assert run.why([job("reference")]) == [None]  # of another model
    made("localization")
    assert run.why([job("localization"), job("reference")]) == [None, "changed: read"]


def test_a_grid_does_only_what_is_left(tmp_path):
    """Through the command line, with a notebook that takes no time."""
    box = Sandbox(tmp_path)
    dry = lambda *given: [line.rpartition("  ")[2].strip() for line in box.run(*given, "--dry-run").stdout.splitlines()]
    assert dry("--seed", "0") == ["would run (missing)"] and not box.results.exists()
    first = box.run("--seed", "0")
    assert first.returncode == 0 and dry("--seed", "0,1") == ["as before", "would run (missing)"]
    record = next(box.results.rglob("count.json"))
    stamp = record.stat().st_mtime_ns
    assert box.run("--seed", "0").returncode == 0 and record.stat().st_mtime_ns == stamp
    assert dry("--seed", "0", "--force") == ["would run (forced)"]
    box.weights.write_bytes(b"other weights")
    box.notebook.write_text(box.notebook.read_text() + "\n")
    (box.folder / "nib_utils" / "__init__.py").open("a").write("# another line\n")
    assert dry() == ["would run (changed: notebook, code, model)"]
    shutil.rmtree(box.folder / "runs")
    assert dry() == ["would run (made elsewhere)"]
