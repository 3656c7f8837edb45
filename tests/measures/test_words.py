"""Precision and pointing among words, against all orders of equal ones and maps that are right or wrong."""
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

import nib_utils as nib
from nib_utils.measures.words import expected_precision


def test_precision_of_words_is_the_mean_over_all_orders_of_equal_ones():
    rng = np.random.default_rng(0)
    for _ in range(12):
        scores, sought = rng.integers(0, 3, 5) / 2, np.append(rng.random(4) < 0.5, True)
        orders = [average_precision_score(sought, scores + 1e-3 * np.array(p)) for p in permutations(range(5))]
        assert expected_precision(scores, sought) == pytest.approx(np.mean(orders))
    scores, sought = rng.random(20), np.arange(20) < 7
    assert expected_precision(scores, sought) == pytest.approx(average_precision_score(sought, scores))


def test_maps_of_the_words_that_matter_are_perfect_and_others_chance(clip):
    pairs = nib.load_pairs("shapes", n=30, seed=5)
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "all_ones")
    matters = [torch.tensor([float(w not in ("a", "and", ",")) for w in row]) for row in ex.tokens]
    right, wrong, ones = (nib.word_accuracy(replace(ex, text=maps), pairs.content) for maps in (
        matters, [1 - m for m in matters], [torch.ones_like(m) for m in matters]))
    assert (right[["average_precision", "pointing"]] == 1).all().all()
    assert (wrong.pointing == 0).all() and (wrong.average_precision < wrong.average_precision_chance).all()
    np.testing.assert_allclose(ones.average_precision, ones.average_precision_chance)
    np.testing.assert_allclose(ones.pointing, ones.pointing_chance)
    assert ones.pointing_chance.tolist() == [m[1:-1].mean() for m in matters]
    single = [len(p) == 1 for p in pairs.phrases]  # "a" and four words: 1/5 of the orders have the "a" at each place
    by_hand = np.mean([np.mean([(i + 1 - (i >= a)) / (i + 1) for i in range(5) if i != a]) for a in range(5)])
    np.testing.assert_allclose(ones.average_precision_chance[single], by_hand)


def test_words_that_cannot_be_told_apart_are_refused(clip):
    ex = nib.explain(clip, nib.load_pairs("shapes", n=1).image, ["a red star"], "all_ones")
    for content, words in (([], "1 captions and 0 lists of words"), ([["a", "red", "star"]], "has 3 of 3 words"),
                           ([["blue"]], "has 0 of 3 words")):
        with pytest.raises(ValueError, match=words):
            nib.word_accuracy(ex, content)
    with pytest.raises(TypeError, match="content 0 is 'red', of which the letters would be taken"):
        nib.word_accuracy(ex, ["red"])
    with pytest.raises(ValueError, match="no text maps"):
        nib.word_accuracy(replace(ex, text=[]), [["red"]])
