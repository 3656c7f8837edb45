"""The command line: what is wrong is said in one sentence, fast, and before any notebook is started."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

import nib_utils as nib
from nib_utils.apps import shell
from nib_utils.apps.batch import run
from nib_utils.apps.batch.books import HARD, REPRODUCE
from nib_utils.apps.batch.request import method_names

COMMAND = [sys.executable, "-m", "nib_utils"]
HERE = Path(__file__).parents[3]


@pytest.fixture
def started(monkeypatch):
    """The notebooks that would have been started."""
    names = []
    monkeypatch.setattr(run, "execute", lambda name, parameters: names.append((name, parameters)))
    return names


def test_method_names_are_the_registers():
    assert sorted(method_names()) == sorted(nib.METHODS)


@pytest.mark.parametrize("arguments, words", [
    ("nothing", "no notebook is called 'nothing'; there are ablation_m2ib, ablation_nib, counterfactual"),
    ("quickstart --n 3", "quickstart has no parameter 'n'; it has model, image"),
    ("mini_accuracy main_table --n 3", "mini_accuracy has no parameter 'n'"),
    ("main_table -p methods [nib", "a VALUE is not YAML: while parsing"),
    ("main_table -p methods nib", "methods is 'nib'; it takes a list of names"),
    ("main_table -p methods []", r"methods is \[\]; it takes a list of names"),
    ("main_table -p methods [nib,nob]", "no method is called 'nob'"),
    ("main_table -p methods 3", "methods is 3; it takes a list of names"),
    ("main_table --n 0", "main_table: parameter n is 0; it takes a whole number from 1"),
    ("main_table --n -5", "n is -5; it takes a whole number from 1"),
    ("main_table -p n 2.5", "n is 2.5, a float; it takes a whole number like 100"),
    ("main_table -p masks 0", "masks is 0; it takes a whole number from 1"),
    ("theory -p seed true", "seed is True, a bool; it takes a whole number like 0"),
    ("theory -p seed -1", "seed is -1; it takes a whole number from 0"),
    ("theory -p seed null", "seed is None, a NoneType; it takes a whole number"),
    ("theory -p fast maybe", "fast is 'maybe', a str; it takes true or false"),
    ("theory -p fast 1", "fast is 1, a int; it takes true or false"),
    ("theory -p steps 3", r"steps is 3, a int; it takes a list like \[1, 2, 5"),
    ("theory -p steps []", r"steps is \[\], which is empty; it takes a list"),
    ("theory -p steps [1,-2]", "steps: an item of the list is -2; it takes a whole number from 1"),
    ("theory -p steps [1,x]", "steps: an item of the list is 'x', a str; it takes a whole number like 1"),
    ("report -p rows -5", "rows is -5; it takes a whole number from 1"),
    ("mini_accuracy -p scenes -3", "scenes is -3; it takes a whole number from 1"),
    ("train_mini -p learning_rate 1e-3", "learning_rate is '1e-3', a str; it takes a number like 0.001"),
    ("train_mini -p learning_rate .nan", "learning_rate is nan; it takes a number above 0"),
    ("train_mini -p hard_from 2", "hard_from is 2; it takes a number from 0 to 1"),
    ("quickstart -p image ''", "the VALUE of -p image is empty; write null for none"),
    ("main_table --n 3 -p n 4", "n is given by --n and by -p; give it once"),
    ("main_table --seed 1 -p seed 2", "seed is given by --seed and by -p; give it once"),
    ("main_table --method nib -p methods [random]", "methods is given by --method and by -p; give it once"),
    ("quickstart -p image '\"\"'", "image is '', which is empty"),
    ("quickstart -p image none.jpg", "with a picture of your own, give its captions too"),
    ("quickstart -p image none.jpg -p captions [x]", "image: there is no file at 'none.jpg'"),
    ("quickstart -p image no.txt -p captions x", "image: 'no.txt' cannot be read as a picture"),
    ("quickstart -p image no.txt -p captions ['']", "captions: an item of the list is '', which is empty"),
    ("quickstart --model ''", "model is '', which is empty"),
    ("quickstart --model none.pt", "there are no weights at 'none.pt'"),
    ("quickstart --model no.pt", "'no.pt' is"),
    ("quickstart --model ViT-B/33", "no model is called 'ViT-B/33'"),
    ("quickstart --model open_clip:ViT-X@y", "open_clip knows no architecture 'ViT-X'"),
    ("main_table --dataset nope", "no data set is called 'nope'; there are shapes, shapes-hard, cc"),
    ("main_table --dataset hf:", "no data set is called 'hf:'"),
    ("localization --dataset flickr8k", "dataset is 'flickr8k'; it takes one of shapes, shapes-hard, coco"),
    ("speed -p arch ViT-X", "arch is 'ViT-X'; it takes one of ViT-B/32, ViT-B/16"),
    ("main_table --dataset flickr8k", "flickr8k: no root was given"),
    ("main_table --dataset csv --root no.txt", "'no.txt' has no column image and no column caption"),
    ("main_table --dataset csv --root .", r"csv: the folder '.' has no file \*.csv"),
    ("main_table --dataset coco --root .", "coco: "),
    ("main_table --dataset csv --root none.csv", "csv: there is no file or folder 'none.csv'"),
    ("main_table -p data_options x", "data_options is 'x', a str; it takes a mapping"),
    ("main_table --results ''", "results is '', which is empty"),
    ("main_table --results no.txt/results", "the folder of results, '.*no.txt/results', cannot be written to .Not a directory"),
])
def test_what_is_wrong_is_said_before_a_notebook_is_started(arguments, words, tmp_path, monkeypatch, capsys, started):
    import re
    import shlex

    monkeypatch.chdir(tmp_path)
    for name in ("no.txt", "no.pt"):
        Path(name).write_text("no")
    given = shlex.split(arguments.replace("['']", "\"['']\""))
    assert shell.main(["run", *given]) == 1 and not started
    said = capsys.readouterr().err.strip()
    assert re.search(f"^nib_utils: .*{words}", said) and "\n" not in said, said
    assert not (tmp_path / "results").exists()


def test_a_number_that_is_none_is_refused_by_the_parser(capsys):
    with pytest.raises(SystemExit) as caught:
        shell.main(["run", "theory", "--n", "many"])
    assert caught.value.code == 2 and "invalid int value: 'many'" in capsys.readouterr().err


def test_what_makes_sense_is_started(started, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9)).save("own.png")
    (tmp_path / "pairs.csv").write_text("image,caption\nown.png,a square\n")
    assert shell.main(["run", "main_table", "--dataset", "csv", "--root", "pairs.csv", "-p", "n", "null", "-p", "masks", "9"]) == 0
    assert shell.main(["run", "quickstart", "-p", "image", "own.png", "-p", "captions", "a square"]) == 0
    assert shell.main(["run", "all"]) == 0
    assert [name for name, _ in started][:3] == ["main_table", "quickstart", "quickstart"] and started[-1][0] == "report"


def test_all_is_of_both_worlds_and_the_report_is_last(started, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "data_file", lambda name: tmp_path / name)
    monkeypatch.setattr(run, "HERE", tmp_path / "nib_utils")
    assert shell.main(["run", "all"]) == 0 and [name for name, _ in started] == REPRODUCE
    assert "its model is not there; make it by `make train MODEL=mini-hard`" in capsys.readouterr().out
    started.clear()
    (tmp_path / "mini-hard.safetensors").touch()
    assert shell.main(["run", "all", "-p", "seed", "3"]) == 1  # the report, among others, knows no seed
    assert not started and shell.main(["run", "all"]) == 0
    first = [name for name, given in started if "model" not in given]
    second = {name: given for name, given in started if HARD.items() <= given.items()}
    assert first == REPRODUCE and started[-1][0] == "report" and len(first) + len(second) == len(started)
    assert {"main_table", "localization", "faithfulness"} <= set(second) and "reference" not in second
    assert "reference is left out: its Shapley values are not there" in capsys.readouterr().out
    (values := tmp_path / "results" / "shapley" / "mini-hard-shapes-hard").mkdir(parents=True)
    (values / "shapley.csv").touch()
    started.clear()
    assert shell.main(["run", "all"]) == 0
    assert any(name == "reference" and HARD.items() <= given.items() for name, given in started)


def test_the_second_world_has_defaults_of_its_own(tmp_path, monkeypatch):
    asked = []
    papermill = type("papermill", (), {"PapermillExecutionError": ZeroDivisionError,
                                       "execute_notebook": lambda *_, parameters, **__: asked.append(parameters)})
    monkeypatch.setattr(run, "need", lambda *_: papermill)
    for given in ({}, HARD, HARD | {"n": 7}):
        run.execute("main_table", given | {"results": str(tmp_path)})
    assert [given.get("n") for given in asked] == [None, 40, 7]
    names = [run.run_name("main_table", given) for given in (*asked, HARD | {"n": 100})]
    assert names == ["mini-shapes", "mini-hard-shapes-hard", "mini-hard-shapes-hard-n7", "mini-hard-shapes-hard-n100"]


def test_jobs_that_a_digest_tells_apart_say_what_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert shell.main(["run", "theory", "quickstart", "--dry-run"]) == 0
    assert "(" not in capsys.readouterr().out.replace("would run (", "")
    assert shell.main(["run", "localization", "--method", "nib,m2ib", "--seed", "0,1", "--dry-run"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line[line.index("(") : line.index(")")] for line in out] == [
        f"(methods ['{method}'], seed {seed}" for method in ("nib", "m2ib") for seed in (0, 1)]


def test_results_of_other_parameters_stop_all_before_any_is_started(started, tmp_path, capsys):
    record = tmp_path / "theory" / "mini-shapes" / "theory.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"parameters": {"n": 7}}')
    assert shell.main(["run", "all", "--results", str(tmp_path)]) == 1 and not started
    assert "holds results of other parameters (n was 7, now it is 24); move that folder" in capsys.readouterr().err


@pytest.mark.parametrize("word, folder", [
    ("1", "results-fast"), ("yes", "results-fast"), ("On", "results-fast"), ("0", "results"), ("no", "results"), ("", "results")])
def test_fast_runs_have_a_folder_of_their_own(word, folder, tmp_path, monkeypatch, started):
    monkeypatch.setenv("FAST", word)
    monkeypatch.chdir(tmp_path)
    assert shell.main(["run", "theory"]) == 0
    given = started[0][1]
    assert (Path(given["results"]).name, given.get("fast", False)) == (folder, folder == "results-fast")


def test_a_word_that_is_neither_fast_nor_not_is_refused(monkeypatch, capsys, started):
    monkeypatch.setenv("FAST", "maybe")
    assert shell.main(["run", "theory"]) == 1 and not started
    assert capsys.readouterr().err == "nib_utils: FAST is 'maybe'; it takes 0, no, false, off, 1, yes, true, on, or nothing.\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["run", "nothing"], ["run", "theory", "-p", "sed", "1"],
                                       ["run", "main_table", "-p", "methods", "[nob]"]])
def test_arguments_are_answered_without_torch(arguments):
    """Under a second on a quiet machine; here what would take longer is counted, which no other work delays."""
    code = ("import sys; from nib_utils.apps.shell import main\n"
            f"try: main({arguments!r})\nexcept SystemExit: pass\n"
            "assert not {'torch', 'pandas', 'numpy', 'papermill', 'IPython'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE)
    assert done.returncode == 0 and (done.stdout + done.stderr).strip(), done.stderr[-300:]


def test_a_notebook_that_fails_keeps_its_copy_and_the_results_of_a_good_one(tmp_path, monkeypatch, capfd):
    """The sizes that are checked here make sense; what fails is found by the cell."""
    record = tmp_path / "results" / "theory" / run.run_name("theory", {"layer": 99}) / "theory.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert shell.main(["run", "theory", "-p", "layer", "99", "--results", str(tmp_path / "results")]) == 1
    last = capfd.readouterr().err.strip().splitlines()[-1]
    copy = next((tmp_path / "runs").glob("theory-mini-shapes-*.ipynb"))
    assert last.startswith("nib_utils: notebook theory, cell ") and f"(the whole trace is in {copy})" in last
    assert record.read_text() == "{}" and "Traceback" in copy.read_text()


def test_an_interrupted_run_ends_in_one_sentence(tmp_path):
    done = subprocess.Popen([*COMMAND, "run", "mini_accuracy", "--results", str(tmp_path / "results")], cwd=HERE, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    for line in done.stderr:
        if line.startswith("Executing Cell 5"):  # the one that takes its time
            break
    time.sleep(1)
    os.killpg(done.pid, signal.SIGINT)  # as a terminal does
    said = done.communicate(timeout=60)[1]
    assert done.returncode == 130 and "Traceback" not in said
    assert said.strip().splitlines()[-1] == "nib_utils: interrupted; the same command goes on from what is done."
    assert not list((tmp_path / "results").rglob("*.json")) and list((tmp_path / "runs").glob("*.ipynb"))


def test_an_interrupted_run_of_several_leaves_no_kernel(tmp_path):
    asked = ["run", "theory", "mini_accuracy", "--workers", "2", "--results", str(tmp_path / "results")]
    done = subprocess.Popen([*COMMAND, *asked], cwd=HERE, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            start_new_session=True)
    begun = lambda: {file for file in tmp_path.glob("runs/*.log") if "Executing Cell 5" in file.read_text()}
    until = time.monotonic() + 300
    while len(begun()) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    kernels = {p for worker in psutil.Process(done.pid).children() for p in worker.children(recursive=True)}
    assert len(begun()) == 2 and len(kernels) >= 2
    os.killpg(done.pid, signal.SIGINT)
    said = done.communicate(timeout=60)[1]
    assert done.returncode == 130 and said.strip().splitlines()[-1].startswith("nib_utils: interrupted;")
    assert not psutil.wait_procs(kernels, timeout=20)[1] and not list((tmp_path / "results").rglob("*.json"))
