"""Relevance gain as a measure: maps that know nothing are alike under it, and what knows the model or the truth leads."""
import numpy as np
import pandas as pd
import pytest
import torch

import nib_utils as nib

CHANCE = ("all_ones", "random", "shuffled")  # `centre` and `reading_order` know where things tend to stand


@pytest.fixture(scope="module")
def clip():
    return nib.load_clip("mini", device="cpu")


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=14, seed=8)


@pytest.fixture(scope="module")
def rows(clip, pairs):
    found = {m: nib.evaluate(clip, pairs, m, measures=["gain"]) for m in (*CHANCE, "leave_one_out")}
    found |= {name: nib.measured(clip, ex, pairs, ["gain"]) for name, ex in nib.truths(clip, pairs).items()}
    return pd.concat(found, names=["method", "pair"]).reset_index()


@pytest.mark.parametrize("metric", ["image_gain", "text_gain"])
def test_controls_are_not_told_apart_and_what_knows_leads_them(rows, metric):
    assert set(rows.method) == {*CHANCE, "leave_one_out", "exact_masks"}  # of these pairs no Shapley values are kept
    assert nib.compare(rows[rows.method.isin(CHANCE)], metric).p_holm.min() > 0.05
    means = rows.groupby("method")[metric].mean()
    assert means[list(CHANCE)].abs().max() < 0.1 < means[["leave_one_out", "exact_masks"]].min()
    for name in ("leave_one_out", "exact_masks"):
        tests = nib.compare(rows[rows.method.isin([*CHANCE, name])], metric, reference=name)
        assert tests.p_holm.max() < 0.01 and (tests.difference < 0).all()


def test_an_order_turned_round_has_the_gain_with_its_sign_turned(clip, pairs):
    """Exactly so: what insertion of the best leaves out, deletion of the worst in the other order leaves out too."""
    few, generator = pairs.head(3), torch.Generator().manual_seed(0)
    maps = torch.rand(3, 7, 7, generator=generator)
    words = [torch.rand(len(i), generator=generator) for i in clip.ids(list(few.caption))]
    one, other = (nib.curves(clip, nib.explanation(clip, list(few.image), list(few.caption), sign * maps,
                                                   [sign * w for w in words], scores=True), points=49)
                  for sign in (1, -1))
    for kind in ("image", "text"):
        np.testing.assert_allclose(one[f"{kind}_gain"], -other[f"{kind}_gain"], atol=1e-5)


def test_truths_are_the_covers_of_what_is_named_and_the_words_that_say_something(clip, pairs):
    ex = nib.truths(clip, pairs)["exact_masks"]
    for i, row in enumerate(pairs.itertuples()):
        cover = row.masks.any(0).reshape(7, 32, 7, 32).mean((1, 3))
        np.testing.assert_allclose(ex.image_scores[i], cover, atol=1e-6)
        said = {word for word, one in zip(ex.tokens[i], ex.text_scores[i]) if one}
        assert said == set(row.content)
