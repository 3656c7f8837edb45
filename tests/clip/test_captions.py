"""Captions handed in: several in order, as strings or ids; words that a model never learnt."""
import warnings

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

import nib_utils as nib


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=2, image_size=64))


def test_what_has_an_order_is_a_list(clip):
    texts = ["a dog", "two cats"]
    expected = [ids.tolist() for ids in clip.ids(texts)]
    for given in (tuple(texts), pd.Series(texts, index=[9, 3]), np.array(texts), np.array(texts, object), iter(texts),
                  dict(enumerate(texts)).values(), [np.str_(text) for text in texts], [torch.tensor(i) for i in expected],
                  [np.array(i, np.uint16) for i in expected], expected):
        assert [ids.tolist() for ids in clip.ids(given)] == expected
    assert clip.ids(np.str_("a dog"))[0].tolist() == clip.ids("a dog")[0].tolist() == expected[0]


@pytest.mark.parametrize("given, kind, words", [
    ({"a", "b"}, TypeError, "captions are a set, which has no order, so that nobody knows which belongs to which"),
    (frozenset("a"), TypeError, "captions are a frozenset, which has no order"),
    ({"a": "b"}, TypeError, "captions are a dict, of which it is not clear what to take; pass a list of strings"),
    (pd.DataFrame({"caption": ["a"]}), TypeError, "captions are a DataFrame, of which"),
    (np.array([["a", "b"]]), TypeError, "captions are a ndarray, of which"),
    (b"a dog", TypeError, "captions are b'a dog'; pass a list of strings"), (None, TypeError, "captions are None"),
    (3.5, TypeError, "captions are 3.5; pass a list"), (np.array("a"), TypeError, "captions are array"),
    (torch.tensor(3), TypeError, r"captions are tensor\(3\); pass a list"),
    ([b"a dog"], TypeError, "caption 0 is a bytes"), ([None], TypeError, "caption 0 is a NoneType"),
    ([{"a"}], TypeError, "caption 0 is a set"), (["a dog", ["a", "b"]], ValueError, "caption 1: ids must be a 1-D array"),
    ([[[49406], [1, 2]]], ValueError, "caption 0: ids must be a 1-D array of integers, which cannot be made of"),
    ([torch.tensor([49406.0, 49407.0])], ValueError, "of float32"), ([[True, False]], ValueError, "of bool"),
    ([torch.ones(3, dtype=torch.bfloat16)], ValueError, "caption 0: ids must be a 1-D array of integers"),
    (["a \ud800 dog"], ValueError, "caption 0 holds half a character, as text read in a wrong encoding does"),
    ([], ValueError, "no captions were given"), ([""], ValueError, "caption 0 is empty")])
def test_what_is_no_caption_is_refused_in_one_sentence(clip, given, kind, words):
    with pytest.raises(kind, match=words) as caught:
        clip.ids(given)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_words_never_learnt_are_named_once():
    clip = nib.load_clip("mini", device="cpu")
    with pytest.warns(UserWarning, match=r"mini has never learnt some of these words \('zebra', 'gallo', 'ps'\), so"):
        clip.ids(["a zebra gallops"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ex = nib.explain(clip, [nib.load_pairs("shapes", n=1).image[0]], ["a red zebra gallops"])
        nib.confidence(clip, ex)
        clip.encode_text(["a zebra", "a red star"])
    with pytest.warns(UserWarning, match=r"some of these words \('on', 'lawn'\), so"):
        clip.ids(["a zebra on a lawn"])
    with pytest.warns(UserWarning, match=r"\(('\w+', ){5}\.\.\.\), so"):
        clip.ids(["horse house river tree king queen"])


def test_a_model_that_learnt_them_all_says_nothing(clip):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip.ids(["zebras, café & 東京 🙂"])
