"""The notebooks: as committed, and executed headlessly at small size."""
import ast
import json
import tomllib
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from PIL import Image

from nib_utils.apps import shell
from nib_utils.apps.batch import run
from nib_utils.apps.batch.books import BOOKS, defaults

ROOT = Path(__file__).parents[3]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_committed_clean(file):
    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code) and len(code) <= 12
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    assert book.cells[0].cell_type == "markdown" and book.cells[0].source.startswith("# ")
    tagged = ["parameters" in cell.metadata.get("tags", []) for cell in code]
    assert tagged == [False, True] + [False] * (len(code) - 2)
    assert "assert" in code[-1].source and "st_size" in code[-1].source
    for cell in code[1:]:
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef) or node.end_lineno - node.lineno < 5


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_opens_in_colab_and_installs_what_is_not_there(file):
    """From one address, that of the package; with no version of what Colab has already."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    address = package["urls"]["Repository"]
    cells = nbformat.read(file, as_version=4).cells
    opens = address.replace("//github.com", "//colab.research.google.com/github")
    assert cells[0].source.endswith(f"[Open in Colab]({opens}/blob/main/notebooks/{file.name})")
    install = f'%pip install --quiet "{package["name"]}[notebooks] @ git+{address}"'
    assert cells[1].source == ("import importlib.util\n\n"
                               f'if importlib.util.find_spec("nib_utils") is None:  # as in Colab\n    {install}')


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_records_all_its_parameters_as_they_were_given(file):
    """Before any is made into something else, else two runs could have one folder."""
    cell = next(c.source for c in nbformat.read(file, as_version=4).cells if "nib.Results(" in c.source)
    named = {word.arg for call in ast.walk(ast.parse(cell)) if isinstance(call, ast.Call) for word in call.keywords}
    asked = set(defaults(file.stem))
    assert asked <= named | {"results"} and {"results", "fast"} <= asked
    before = ast.walk(ast.parse(cell[: cell.index("nib.Results(")].rpartition("\n")[0]))
    assert not asked & {node.id for node in before if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


@pytest.mark.parametrize("name", BOOKS)
def test_a_notebook_runs_headlessly(name, tmp_path):
    results = tmp_path / "results"
    if name == "report":  # it needs something to report
        run.execute("localization", BOOKS["localization"].small | {"results": str(results)})
    run.execute(name, BOOKS[name].small | {"results": str(results)})
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
    assert shell.main(arguments) == 0
    table = pd.read_csv(next((tmp_path / "results/main_table").glob("mini-csv-pairs-*/main_table.csv")))
    assert table.method.tolist() == ["nib", "random"] and (table.n == 3).all() and table.notna().all().all()


def test_two_pictures_of_ones_own_both_keep_their_results(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    for folder, scale in (("a", 1), ("b", 3)):
        Path(folder).mkdir()
        Image.effect_mandelbrot((90, 60), (-2, -1, scale, 1), 40).save(f"{folder}/own.png")
        asked = ["-p", "image", f"{folder}/own.png", "-p", "captions", "[a fractal, a dog]"]
        assert shell.main(["run", "quickstart", *asked]) == 0
    tables = sorted(tmp_path.glob("results/quickstart/mini-own-*/words.csv"))
    assert len(tables) == 2 and all(f"results: {file.parent}" in caplog.text for file in tables)
    first, second = (pd.read_csv(file) for file in tables)
    assert set(first.caption) == {"a fractal", "a dog"} and not first.equals(second)
