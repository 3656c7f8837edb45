"""The notebooks: as committed, and executed headlessly at small size; and what the batch says when something is wrong."""
import ast
import json
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from PIL import Image

from nib_utils.batch import run

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SIZES = {  # small enough for a test, large enough that every cell has something to do
    "quickstart": {},
    "main_table": dict(n=6, methods=["nib", "m2ib", "rise", "all_ones"], masks=8),
    "localization": dict(scenes=5, swept=3, methods=["nib", "gradcam", "random"]),
    "mini_accuracy": dict(scenes=90),
    "train_mini": dict(steps=3, batch_size=4, scenes=90),
    "qualitative": dict(scenes=2, masks=16),
    "speed": dict(arch="tiny", methods=["nib", "chefer", "rise"], archs=["tiny"], batches=[1, 2], repeats=1, fast=True),
    "faithfulness": dict(n=5, methods=["nib", "chefer", "random"], fills=["mean", "blur"]),
    "ablation_nib": dict(scenes=3, layers=[0, 9], steps=[1, 5], finest=10),
    "ablation_m2ib": dict(scenes=3, betas=[0.1, 1.0], learning_rates=[1.0], steps=[2], copies=[2]),
    "report": {},
    "sanity": dict(n=3, methods=["nib", "m2ib"], blocks=[1, 12], seeds=2),
    "theory": dict(n=3, steps=[1, 10]),
    "defects": dict(n=4, methods=["nib"], train=12, repeats=2),
}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_committed_clean(file):
    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code) and len(code) <= 12
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    assert book.cells[0].cell_type == "markdown" and book.cells[0].source.startswith("# ")
    assert ["parameters" in cell.metadata.get("tags", []) for cell in code] == [True] + [False] * (len(code) - 1)
    assert "assert" in code[-1].source and "st_size" in code[-1].source
    for cell in code:
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef) or node.end_lineno - node.lineno < 5


def test_every_notebook_has_a_size_to_be_tested_at():
    assert set(SIZES) == {file.stem for file in NOTEBOOKS}


@pytest.mark.parametrize("name", SIZES)
def test_a_notebook_runs_headlessly(name, tmp_path):
    results = tmp_path / "results"
    if name == "report":  # it needs something to report
        run.execute("localization", SIZES["localization"] | {"results": str(results)})
    run.execute(name, SIZES[name] | {"results": str(results)})
    records = list((results / name).rglob("*.json"))
    assert len(records) == 1
    record, folder = json.loads(records[0].read_text()), records[0].parent
    assert folder.parent.name == name and records[0].stem == name
    assert {"parameters", "versions", "commit", "seconds", "files"} <= set(record)
    kinds = {Path(file).suffix for file in record["files"]}
    assert kinds == {".csv", ".png"}
    for file in record["files"]:
        if file.endswith(".csv"):
            assert len(pd.read_csv(folder / file))
        else:
            with Image.open(folder / file) as picture:
                assert 500 < picture.width < 2200 and len(picture.convert("L").getcolors(256)) > 20


def test_main_table_on_a_csv_of_ones_own(tmp_path):
    (tmp_path / "own").mkdir()
    for i in range(3):
        Image.effect_mandelbrot((90, 60), (-2 + i / 9, -1, 1, 1), 40).save(tmp_path / "own" / f"{i}.png")
    rows = ["image,caption", "0.png,a fractal", "1.png,\"two fractals, side by side\"", "2.png,something else"]
    (tmp_path / "own" / "pairs.csv").write_text("\n".join(rows))
    arguments = ["run", "main_table", "--dataset", "csv", "--root", str(tmp_path / "own" / "pairs.csv"),
                 "--results", str(tmp_path / "results"), "-p", "methods", "[nib, random]"]
    assert run.main(arguments) == 0
    table = pd.read_csv(tmp_path / "results" / "main_table" / "mini-pairs" / "main_table.csv")
    assert table.method.tolist() == ["nib", "random"] and (table.pairs == 3).all() and table.notna().all().all()


def test_quickstart_on_a_picture_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 40).save("own.png")
    assert run.main(["run", "quickstart", "-p", "image", "own.png", "-p", "captions", "[a fractal, a dog]"]) == 0
    words = pd.read_csv(tmp_path / "results/quickstart/mini-own/words.csv")
    assert set(words.caption) == {"a fractal", "a dog"}


@pytest.mark.parametrize("arguments, words", [
    (["run", "nothing"], "no notebook is called 'nothing'; there are ablation_m2ib, ablation_nib, defects"),
    (["run", "quickstart", "--n", "3"], "quickstart has no parameter 'n'; it has model, image"),
    (["run", "main_table", "-p", "methods", "[nib"], "nib_utils: a VALUE is not YAML: while parsing"),
    (["run", "main_table", "--dataset", "flickr8k"], "notebook main_table, cell .*: FileNotFoundError: flickr8k: no root was given"),
    (["run", "train_mini", "-p", "learning_rate", "1e-3"], "learning_rate is '1e-3', a str; it takes a float like 0.0012"),
    (["run", "mini_accuracy", "main_table", "--n", "3"], "mini_accuracy has no parameter 'n'"),
    (["run", "quickstart", "-p", "image", "none.jpg"], "with a picture of your own, give its captions too"),
    (["run", "quickstart", "--model", "ViT-B/33"], "ValueError: no model is called 'ViT-B/33'"),
    (["run", "main_table", "-p", "methods", "nib"], "methods is 'nib'; it takes a list of names"),
    (["run", "main_table", "-p", "methods", "[]"], "methods is \\[\\]; it takes a list of names"),
    (["run", "main_table", "-p", "methods", "[nib, nob]"], "^nib_utils: no method is called 'nob'"),
])
def test_the_batch_says_what_is_wrong(arguments, words, tmp_path, capfd):
    import re

    assert run.main([*arguments, "--results", str(tmp_path / "results")]) == 1
    last = capfd.readouterr().err.strip().splitlines()
    assert any(re.search(words, line) for line in last), last[-3:]


def test_a_run_that_fails_leaves_the_results_of_a_good_one(tmp_path):
    record = tmp_path / "results" / "mini_accuracy" / "mini-shapes" / "mini_accuracy.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    arguments = ["run", "mini_accuracy", "-p", "scenes", "-3", "--results", str(tmp_path / "results")]
    assert run.main(arguments) == 1
    assert record.read_text() == "{}"


def test_results_that_cannot_be_written_are_said_to_be(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run.main(["run", "report", "--results", str(tmp_path / "file" / "results")]) == 1
    assert "file/results', cannot be made (Not a directory); name another with --results." in capsys.readouterr().err


@pytest.mark.parametrize("word, folder", [("1", "results-fast"), ("yes", "results-fast"), ("0", "results"), ("", "results")])
def test_fast_runs_have_a_folder_of_their_own(word, folder, tmp_path, monkeypatch):
    ran = {}
    monkeypatch.setenv("FAST", word)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "execute", lambda name, parameters: ran.update(parameters))
    assert run.main(["run", "theory"]) == 0
    assert (Path(ran["results"]).name, ran.get("fast", False)) == (folder, folder == "results-fast")
