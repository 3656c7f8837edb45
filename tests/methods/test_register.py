"""A method is one file that declares what it is; the register, and what is generated from it, follow."""
import inspect
import re
from pathlib import Path

import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils import methods
from nib_utils.methods.register import GROUPS, About

ROOT = Path(__file__).parents[2]


def test_the_published_eight_come_first_and_controls_last():
    assert tuple(nib.METHODS)[:8] == nib.PUBLISHED
    groups = [m.about.group for m in nib.METHODS.values()]
    assert groups == sorted(groups, key=list(GROUPS).index)
    assert set(nib.CONTROLS) == {"all_ones", "random", "centre", "reading_order", "shuffled", "inverted"}


@pytest.mark.parametrize("name", nib.METHODS)
def test_a_record_tells_the_truth(name):
    function = nib.METHODS[name]
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:3] == ["tower", "reading", "target"]
    assert ("seed" in parameters) == function.about.noise
    assert function.about.title and function.about.source and function.about.forwards > 1
    assert function.__module__.startswith("nib_utils.methods")
    if function.about.group != "control":
        assert "Source:" in function.__doc__ and ">>>" in function.__doc__


@pytest.mark.parametrize("name", [n for n, f in nib.METHODS.items() if not f.about.gradients])
def test_a_method_without_gradients_needs_none(name):
    clip = nib.wrap(tiny.openai())
    image = clip.image.read(tiny.pixels(2))
    options = {"masks": 4} if "rise" in name else {}
    with torch.inference_mode():  # no graph can be built here
        scores = nib.METHODS[name](clip.image, image, torch.randn(2, 32), **options)
    assert not scores.requires_grad


def test_contributings_method_is_one_file(tmp_path, monkeypatch):
    """The file of CONTRIBUTING.md, put into the folder of methods, is found, checked and run by name."""
    code = re.search(r"## A method.*?```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "gradient_norm.py").write_text("from __future__ import annotations\n" + code)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    before = dict(nib.METHODS)
    try:
        methods.discover()
        assert set(nib.METHODS) - set(before) == {"gradient_norm"} and tuple(nib.METHODS)[:8] == nib.PUBLISHED
        clip = nib.wrap(tiny.openai())
        ex = nib.explain(clip, tiny.pixels(2), tiny.captions((5, 9)), "gradient_norm", layer=1)
        assert ex.image_scores.min() >= 0 and ex.image.amax((1, 2)).eq(1).all()
        with pytest.raises(ValueError, match="blocks 0..2"):
            nib.explain(clip, tiny.pixels(2), tiny.captions((5, 9)), "gradient_norm", layer=7)
    finally:
        nib.METHODS.clear()
        nib.METHODS.update(before)


def test_a_name_that_is_taken_and_a_group_that_is_none():
    def nib_(tower, tokens, target): ...

    nib_.__name__ = "nib"
    about = dict(title="x", source="x", forwards=2)
    with pytest.raises(ValueError, match="called nib is there already"):
        nib.method(group="rival", **about)(nib_)
    with pytest.raises(ValueError, match="no group is called 'best'"):
        nib.method(group="best", **about)(nib_)
    assert nib.METHODS["nib"].about == About("NIB", "published", "NIB, ICLR 2025", 4.5, gradients=True, signed=True)
