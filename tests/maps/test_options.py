"""Options of methods: their kinds and ranges, refused before a model is run."""
import inspect
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.maps.options import check_options, per_tower


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=4, image_size=64))


def options_of(name: str) -> dict:
    return {k: p.default for k, p in inspect.signature(nib.METHODS[name]).parameters.items() if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("method", nib.METHODS)
def test_every_method_takes_its_own_defaults_and_no_nonsense(method):
    function = nib.METHODS[method]
    check_options(method, function, options_of(method))
    for key, default in options_of(method).items():
        bad = [{}, b"1", object(), "" if not isinstance(default, str) else 1]
        if not isinstance(default, bool):
            bad.append(True)
        if isinstance(default, float):
            bad += [float("nan"), float("inf"), -float("inf"), 1j, None]
        elif isinstance(default, int) and key != "seed":
            bad += [-1, 1.0, float("nan"), None] + ([0] if default else [])
        for value in bad:
            with pytest.raises((TypeError, ValueError), match=f"^{method}: .*{key}") as caught:
                check_options(method, function, {key: value})
            assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("method, options, kind, words", [
    ("m2ib", {"learning_rate": float("nan")}, ValueError, "m2ib: option 'learning_rate' is nan; it takes a finite number"),
    ("m2ib", {"beta": float("inf")}, ValueError, "m2ib: option 'beta' is inf; it takes a finite number"),
    ("nib", {"steps": -1}, ValueError, "nib: steps is -1; it takes at least 1"),
    ("nib", {"steps": True}, TypeError, "nib: option 'steps' takes an integer, not True"),
    ("nib", {"layer": -1}, ValueError, "nib: layer is -1; it takes at least 0"),
    ("rise", {"masks": 0}, ValueError, "rise: masks is 0; it takes at least 1"),
    ("rise", {"centred": 1}, TypeError, "rise: option 'centred' takes True or False, not 1"),
    ("rise", {"given": [1]}, TypeError, r"rise: option 'given' takes a tensor, not \[1\]"),
    ("rise", {"seed": 2**63}, TypeError, "seed is 9223372036854775808; it takes a whole number of 64 bits"),
    ("rise", {"seed": [True]}, TypeError, r"seed is \[True\]; it takes a whole number of 64 bits, or one for each pair"),
    ("random", {"seed": "1"}, TypeError, "seed is '1'; it takes a whole number"),
    ("nib", {"image_options": [1]}, TypeError, r"image_options are \[1\]; pass a dict of options by name"),
    ("nib", {"text_options": "layer"}, TypeError, "text_options are 'layer'; pass a dict"),
    ("nib", {"image_options": {3: 1}}, TypeError, "image_options are {3: 1}; pass a dict"),
    ("nib", {"text_options": {"steps": 0}}, ValueError, "nib: steps is 0; it takes at least 1"),
    ("nib", {"batch_size": True}, ValueError, "batch_size is True; it takes at least 1"),
    ("nib", {"batch_size": 2.0}, ValueError, "batch_size is 2.0; it takes at least 1")])
def test_explain_and_evaluate_refuse_before_a_picture_is_opened(clip, method, options, kind, words):
    with pytest.raises(kind, match=words):
        nib.explain(clip, tiny.pixels(1) if "masks" in options else ["nowhere.jpg"], ["a dog"], method, **options)
    if "batch_size" not in options and "masks" not in options:
        pairs = pd.DataFrame({"image": ["nowhere.jpg"], "caption": ["a dog"]})
        with pytest.raises(kind, match=words):
            nib.evaluate(clip, pairs, method, **options)


def test_numbers_of_other_packages_are_numbers(clip):
    check_options("m2ib", nib.METHODS["m2ib"], {"steps": np.int64(3), "beta": np.float32(0.1), "seed": (1, np.int32(2)),
                                                "learning_rate": Fraction(1, 2), "start": 5})
    check_options("rise", nib.METHODS["rise"], {"given": torch.ones(2, 64, 64), "masks": None})


def test_a_towers_own_options_come_over_both(clip):
    assert per_tower({"steps": 3}, None, {"steps": 4, "layer": 1}) == {"image": {"steps": 3}, "text": {"steps": 4, "layer": 1}}
    assert per_tower({}, {}, None) == {"image": {}, "text": {}}
