"""`explain` in the shell: quiet, quick to refuse, and it prints what its figure shows."""
import ast
import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import nib_utils as nib
from nib_utils.apps import shell
from nib_utils.apps.batch.request import method_names, method_options
from nib_utils.clip.tower import Tower

HERE = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def figures(monkeypatch):
    """The figures that are written."""
    seen, write = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (seen.append(figure), write(figure, *a, **k)))
    return seen


def test_an_interrupt_is_a_sentence_and_writes_nothing(here, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tower, "finish", stopped)
    assert shell.main(["explain", "shapes:3", "--method", "rise"]) == 130
    assert capsys.readouterr().err.endswith("nib_utils: interrupted.\n") and list(here.iterdir()) == []


def test_what_would_steer_the_terminal_is_printed_as_text(here, figures, capsys):
    assert shell.main(["explain", "shapes:3", "a \x1b[31mred star"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and out.startswith("a \\x1b[31mred star: similarity")


def test_what_is_cut_off_a_caption_is_said(here, figures, capsys):
    assert shell.main(["explain", "shapes:3", "a red star " * 30, "a star", "--truncate", "--method", "gradcam"]) == 0
    assert capsys.readouterr().err == "nib_utils: note: a caption of 92 tokens is cut to the 77 that the model reads.\n"


def test_masks_are_refused_before_anyone_is_told_to_wait(here, capsys):
    assert shell.main(["explain", "shapes:3", "--method", "rise", "-p", "masks", "0"]) == 1
    assert capsys.readouterr().err == "nib_utils: rise: masks is 0; it takes at least 1.\n"


def test_it_prints_what_the_figure_shows(here, figures, capsys):
    assert shell.main(["explain", "shapes:3", "a red star", "a blue zebra gallops"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    ex = nib.explain(nib.load_clip("mini"), [nib.load_pairs("shapes", n=1, start=3).image[0]] * 2,
                     ["a red star", "a blue zebra gallops"])
    assert lines[0] == f"a red star: similarity {ex.similarity[0]:.3f}" and lines[-1] == "shapes-3-nib.png"
    drawn = [text.get_text().replace(" ?", "").split("\n") for axis in figures[0].axes for text in axis.texts]
    printed = [line.split()[:2] for line in lines if line.startswith("  ")]
    assert printed == drawn and [word for word, _ in drawn] == ["a", "red", "star", "a", "blue", "zebra", "gallops"]
    assert [float(share) for _, share in drawn[:3]] == [round(word.share, 2) for word in ex.words(0)]
    assert [line.endswith("? never learnt") for line in lines[5:9]] == [False, False, True, True]
    assert "note: mini has never learnt" in err and "Warning" not in err
    assert [path.name for path in here.iterdir()] == ["shapes-3-nib.png"]
    assert Image.open("shapes-3-nib.png").width > 900


def test_a_drawn_scene_has_its_own_caption_and_options_reach_the_method(here, capsys):
    assert shell.main(["explain", "shapes:1", "--method", "m2ib", "--layer", "7", "-p", "steps", "2", "-p", "seed", "5",
                       "-o", "a.svg", "--json", "--beside"]) == 0
    out, err = capsys.readouterr()
    found, scene = json.loads(out), nib.load_pairs("shapes", n=2).iloc[1]
    assert not err and found["options"] == {"steps": 2, "seed": 5, "layer": 7} and found["figure"] == "a.svg"
    assert found["defaults"] == {"beta": 0.1, "learning_rate": 1.0, "copies": 10, "start": 5.0} and found["version"]
    pair, = found["pairs"]
    ex = nib.explain(nib.load_clip("mini"), [scene.image], [scene.caption], "m2ib", layer=7, steps=2, seed=5)
    assert pair["caption"] == scene.caption and pair["similarity"] == pytest.approx(ex.similarity.item())
    assert [word["score"] for word in pair["words"]] == pytest.approx([word.score for word in ex.words()], abs=1e-6)
    torch.testing.assert_close(torch.tensor(pair["image"]), ex.image_scores[0])
    assert "<svg" in Path("a.svg").read_text()


def test_the_other_world_and_a_photograph(here, capsys):
    assert shell.main(["explain", "shapes-hard:0", "--method", "random"]) == 0
    Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 40).save("own.png")
    assert shell.main(["explain", "own.png", "a star", "--method", "random"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "own-random.png" and "centre crop takes up to 33%" in err
    assert {path.name for path in here.iterdir()} == {"own.png", "own-random.png", "shapes-hard-0-random.png"}


@pytest.mark.parametrize("arguments, words", [
    ("shapes:3 --method nob", "no method is called 'nob' (did you mean 'nib'?); there are "),
    ("shapes:3 --layer 3 -p layer 4", "the layer is 3 by --layer and 4 by -p; give it once."),
    ("shapes:3 -p step 3", "nib has no option 'step' (did you mean 'steps'?); it has layer, steps, branch."),
    ("shapes:3 --method chefer --layer 3", "chefer has no option 'layer'; it has none."),
    ("shapes:3 --layer -1", "layer is -1; it takes the number of a block"),
    ("shapes:3 -p layer 1.5", "layer is 1.5; it takes"),
    ("shapes:3 --model none.pt", "there are no weights at 'none.pt'"),
    ("none.jpg cat", "the picture: there is no file at 'none.jpg'."),
    ("shape:3 cat", "there is no picture at 'shape:3'; a scene of a drawn world is called by its number, as shapes:3"),
    ("no.txt cat", "the picture: 'no.txt' cannot be read as a picture"),
    ("own.png", "'own.png' has no caption of its own"), (". cat", "the picture: '.' is a folder."),
    ("own.png cat ' '", "a caption is empty"),
    ("own.png cat -o own.png", "the figure would overwrite the picture 'own.png'"),
    ("own.png cat -o map.txt", "its name must end in .png, .pdf, .svg"),
    ("own.png cat -o none/map.png", "lies in a folder that is not there"),
    ("own.png cat -o no.txt/map.png", "lies in a folder that is not there"),
    ("own.png cat -o /proc/map.png", "the folder of the figure, '/proc', cannot be written to"),
])
def test_what_is_wrong_is_said_without_torch(arguments, words, here):
    """Under a second on a quiet machine; here what would take longer is counted, which no other work delays."""
    import shlex

    Path("no.txt").write_text("no")
    Image.new("RGB", (9, 9)).save("own.png")
    before = set(here.iterdir())
    code = (f"import sys; from nib_utils.apps.shell import main; code = main({['explain', *shlex.split(arguments)]!r});"
            "assert not {'torch', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(HERE)})
    assert done.returncode == 1 and not done.stdout, done.stderr
    assert done.stderr.startswith("nib_utils: ") and words in done.stderr and done.stderr.count("\n") == 1
    assert set(here.iterdir()) == before


@pytest.mark.parametrize("arguments, words", [
    (["--layer", "99"], "layer is 99; the image tower has blocks 0..11"),
    (["-p", "steps", "many"], "nib: option 'steps' takes an integer, not 'many'."),
    (["--model", "ViT-B/33"], "no model is called 'ViT-B/33'"), (["dog " * 78], "caption 0 has 80 tokens")])
def test_what_only_the_model_knows_is_said_then(arguments, words, here, capsys):
    assert shell.main(["explain", "shapes:3", *arguments]) == 1
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and not list(here.iterdir())


def test_a_figure_that_cannot_be_finished_leaves_the_one_before(here, monkeypatch, capsys):
    Path("map.png").write_bytes(b"before")

    def full(figure, part, **options):
        Path(part).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    assert shell.main(["explain", "shapes:3", "--method", "random", "-o", "map.png"]) == 1
    out, err = capsys.readouterr()
    assert not out and "'map.png' cannot be written (No space left on device)" in err
    assert Path("map.png").read_bytes() == b"before" and len(list(here.iterdir())) == 1


def test_options_are_the_methods_own():
    for name in method_names():
        own = inspect.signature(nib.METHODS[name]).parameters.values()
        assert method_options(name) == {p.name: p.default for p in own if p.kind is p.KEYWORD_ONLY}


def test_the_console_script_is_the_command_line():
    scripts = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["nib"].split(":")
    tree = ast.parse((HERE / (module.replace(".", "/") + ".py")).read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_nothing_is_said_on_the_way(here):
    done = subprocess.run([sys.executable, "-m", "nib_utils", "explain", "shapes:3", "a red star", "--method", "random"],
                          capture_output=True, text=True, env={"PYTHONPATH": str(HERE), "HOME": str(here)})
    assert done.returncode == 0 and not done.stderr and len(done.stdout.splitlines()) == 5, done.stderr
