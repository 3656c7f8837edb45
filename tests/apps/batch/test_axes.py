"""Grids: every combination once, and what is wrong in a file is said with its line."""
import pytest

from nib_utils.apps import shell
from nib_utils.apps.batch import run
from nib_utils.apps.batch.axes import points, read_grid, read_yaml

GRID = """
notebooks: [main_table]
models: [mini]
datasets: [shapes, {dataset: shapes, n: 7}]
methods: [nib, [nib, m2ib]]
seeds:
  - 0
  - 1
parameters: {masks: 9}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "grid.yaml").write_text(text) and "grid.yaml"


@pytest.fixture
def asked(monkeypatch):
    """The jobs that would be begun."""
    jobs = []
    monkeypatch.setattr(run, "run_jobs", lambda given, *_: jobs.extend(given) or [run.Outcome(job, 0.0) for job in given])
    return jobs


def test_all_combinations(file):
    found = points(read_grid(file(GRID)))
    assert len(found) == 8 and found[0] == ("main_table", {"masks": 9, "model": "mini", "dataset": "shapes", "methods": ["nib"], "seed": 0})
    assert [given["seed"] for _, given in found] == [0, 1] * 4
    assert {(given["dataset"], given.get("n"), *given["methods"]) for _, given in found} == {
        ("shapes", None, "nib"), ("shapes", 7, "nib"), ("shapes", None, "nib", "m2ib"), ("shapes", 7, "nib", "m2ib")}
    assert points({}) == [("main_table", {})]


def test_flags_are_the_same_grid_as_a_file_and_take_its_place(file, asked):
    assert shell.main(["run", "theory", "--seed", "0,1", "--seed", "2", "-p", "layer", "9"]) == 0
    assert [(job.notebook, job.parameters["seed"], job.parameters["layer"]) for job in asked] == [("theory", s, 9) for s in (0, 1, 2)]
    asked.clear()
    assert shell.main(["run", "--grid", file(GRID), "--method", "nib", "--n", "5"]) == 0
    assert len(asked) == 4 and all(job.parameters["methods"] == ["nib"] for job in asked)
    assert {job.parameters["n"] for job in asked} == {5, 7}  # what a data set says of its own stays
    asked.clear()
    assert shell.main(["run", "theory", "theory", "--seed", "0,0", "-p", "n", "24"]) == 0 and len(asked) == 1


@pytest.mark.parametrize("text, words", [
    ("modles: [mini]", "line 1 of 'grid.yaml' has 'modles'; a grid has notebooks, models, datasets, methods, seeds,"),
    ("\nmodels: mini", "line 2 of 'grid.yaml': models is 'mini'; it takes a list, as in models: [mini]"),
    ("seeds: []", "seeds is []; it takes a list, as in seeds: [0, 1]"),
    ("seeds:\n  - 0\n  - one", "line 3 of 'grid.yaml', seeds: seed is 'one', a str; it takes a whole number"),
    ("seeds: [0, -1]", "seed is -1; it takes a whole number from 0"),
    ("seeds: [0, 1, 0]", "line 1 of 'grid.yaml', seeds: 0 is there twice"),
    ("methods: [nib, nob]", "methods: no method is called 'nob' (did you mean 'nib'?); there are"),
    ("datasets:\n  - shapes\n  - shaps", "line 3 of 'grid.yaml', datasets: no data set is called 'shaps'"),
    ("datasets: [{root: x}]", "datasets: it is None"),
    ("models: [mini, nowhere.pt]", "models: there are no weights at 'nowhere.pt'"),
    ("models: [3]", "models: it is 3, a int; it takes words like 'mini'"),
    ("notebooks: [theories]", "notebooks: no notebook is called 'theories'"),
    ("notebooks: [theory]\nparameters: {n: 0}", "theory: parameter n is 0; it takes a whole number from 1"),
    ("notebooks: [theory]\ndatasets: [shapes]", "theory has no parameter 'dataset'"),
    ("parameters: [n]", "parameters is ['n']; it takes a mapping"),
    ("seeds: [0]\nseeds: [1]", "has 'seeds' twice"),
    ("[models]", "names nothing; give it some of notebooks"), ("", "names nothing"), ("a: [", "is not YAML: while parsing"),
    ("models: &m [mini]\nnotebooks: *m", "has an alias (*name)"), ("models: !!python/name:os.system", "is not YAML: could not"),
    ("[" * 5000, "is nested more than 20 deep"), ("results: 3", "results is 3, a int"), ("1: [2]", "has '1'; a grid has"), ("? [a]\n: 1", "is not YAML")])
def test_what_is_wrong_is_said_with_its_line_before_anything_begins(text, words, file, asked, capsys):
    assert shell.main(["run", "--grid", file(text) or "grid.yaml"]) == 1 and not asked
    said = capsys.readouterr().err.strip()
    assert words in said and said.startswith("nib_utils: ") and said.endswith(".") and "\n" not in said, said


def test_a_file_that_is_none_is_refused(file, asked, capsys):
    assert shell.main(["run", "--grid", "nowhere.yaml"]) == 1 and not asked
    assert "the grid 'nowhere.yaml' cannot be read (No such file or directory)." in capsys.readouterr().err
    with pytest.raises(ValueError, match="a VALUE has an alias"):
        read_yaml("[&a [x], *a]", "a VALUE")
