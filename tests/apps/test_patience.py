"""As many masks as a person waits for, and a wait that grows with them."""
import pytest

import nib_utils as nib
from nib_utils.apps import shell
from nib_utils.apps.patience import MASKS, one_look, patient, wait


def test_masks_are_chosen_only_where_nothing_was_said():
    assert patient(["masks", "seed"], {"seed": 3}) == {"masks": MASKS, "seed": 3}
    assert patient(["masks"], {"masks": 6000}) == {"masks": 6000} and patient(["layer"], {}) == {}


def test_the_wait_is_of_as_many_looks_as_the_method_takes():
    assert wait("rise", {"masks": 50}, 0.1) == pytest.approx(5) and wait("shapley", {"samples": 20}, 0.1) == pytest.approx(2)
    assert wait("nib_held", {}, 0.1) == pytest.approx(0.1 * nib.METHODS["nib_held"].about.forwards)
    assert 0 < one_look(nib.load_clip("mini")) < 60


def test_a_long_wait_is_announced_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nib_utils.apps.explain.one_look", lambda clip: 1.0)
    asked = ["explain", "shapes:3", "--method", "rise", "-p", "masks", "12", "-o", str(tmp_path / "map.png")]
    assert shell.main(asked) == 0
    assert "rise takes about 12 seconds for 12 masks" in capsys.readouterr().err
    assert shell.main([*asked[:2], "--method", "nib_held", *asked[-2:]]) == 0
    assert "takes about" not in capsys.readouterr().err
