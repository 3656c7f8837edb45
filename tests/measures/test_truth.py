"""Relevance against the fall of the cosine: maps that know the falls, know nothing, or say the contrary."""
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import somersd

import nib_utils as nib
from nib_utils.clip.similarity import cosine
from nib_utils.data.world.scenes import ATTRIBUTES


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=8, seed=8)


@pytest.fixture(scope="module")
def changes(clip, pairs):
    found = nib.counterfactuals("shapes", n=8, seed=8)
    return found.assign(fall=nib.falls(clip, pairs, found))


@pytest.fixture(scope="module")
def ex(clip, pairs):
    return nib.explain(clip, list(pairs.image), list(pairs.caption), "all_ones")


def written(ex, changes, value) -> nib.Explanation:
    """An explanation whose text maps have value(fall) at each changed word, and whose image maps have it on each object.

    The values are set between 0 and 1; an object's is divided by how many pixels it has.
    """
    text, image = [torch.zeros_like(m) for m in ex.text], torch.zeros_like(ex.image)
    for change in changes.itertuples():
        if change.kind == "object":
            image[change.pair, torch.from_numpy(change.mask)] = (2 + value(change.fall)) / 4 * 100 / change.mask.sum()
        else:
            text[change.pair][1 + change.places[0]] = (2 + value(change.fall)) / 4
    return replace(ex, text=text, image=image, image_scores=image)


def test_a_fall_is_the_cosine_before_minus_after_with_the_caption_left_alone(clip, pairs, changes):
    change = changes.iloc[-1]
    pair = pairs.loc[change.pair]
    text = clip.encode_text([pair.caption])
    before, after = (cosine(clip.encode_image([image]), text).item() for image in (pair.image, change.image))
    assert change.fall == pytest.approx(before - after, abs=1e-5)
    same = changes.assign(image=[pairs.image[i] for i in changes.pair])
    np.testing.assert_allclose(nib.falls(clip, pairs, same, batch_size=5), 0, atol=1e-6)
    for part in (changes.iloc[:7], changes.iloc[::-3]):
        np.testing.assert_allclose(nib.falls(clip, pairs, part), part.fall, atol=1e-5)


def test_relevance_that_is_the_fall_is_right_and_its_contrary_wrong(ex, changes):
    for sign in (1, -1):
        own = written(ex, changes, lambda fall, sign=sign: sign * fall)
        words = nib.word_truth(own, changes[changes.kind != "object"])
        for rows in (words, nib.object_truth(own, changes)):
            found = nib.concordance(rows)
            np.testing.assert_allclose(found.spearman, sign, err_msg=str(found))
            np.testing.assert_allclose(found.concordance, (1 + sign) / 2)
        assert set(nib.concordance(words).kind) == {"words", *ATTRIBUTES}


def test_constant_relevance_is_chance(ex, changes):
    rows = nib.word_truth(ex, changes)
    assert (rows["relevance"] == 1).all() and (rows["rank"] == 0.5).all()
    found = nib.concordance(rows)
    assert len(found) > 10 and (found.concordance == 0.5).all() and (found.spearman == 0).all()


def test_relevance_is_the_maps_at_the_places_of_the_words(ex, changes):
    generator = torch.Generator().manual_seed(0)
    other = replace(ex, text=[torch.rand(len(m), generator=generator) for m in ex.text])
    rows = nib.word_truth(other, changes)
    assert rows[["pair", "object", "kind"]].values.tolist() == changes[["pair", "object", "kind"]].values.tolist()
    for row, places in zip(rows.itertuples(), changes.places):
        m = other.text[row.pair][1:-1].double().numpy()
        assert row.relevance == pytest.approx(np.mean([m[k] for k in places]))
        assert row.rank == pytest.approx(np.mean([(m < m[k]).sum() / (len(m) - 1) for k in places]))


def test_the_fall_of_a_word_is_the_mean_over_what_it_became(clip, ex, pairs, changes):
    many = nib.counterfactuals("shapes", n=2, seed=8, values=3)
    many["fall"] = np.arange(len(many)) ** 2.0
    rows = nib.word_truth(ex, many)
    assert not rows.duplicated(["pair", "kind", "object"]).any() and len(rows) < len(many)
    for row in rows.itertuples():
        same = many[(many.pair == row.pair) & (many.kind == row.kind) & (many.object == row.object)]
        assert row.fall == same.fall.mean()


def test_mass_lies_on_the_objects_unnamed_ones_too(clip):
    """A hard scene at mini's size: masks are resized as the picture is."""
    pairs, changes = nib.load_pairs("shapes-hard", n=4, seed=5), nib.counterfactuals("shapes-hard", n=4, seed=5)
    assert pairs.unnamed.map(len).sum() > 0
    changes["fall"] = nib.falls(clip, pairs, changes)
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "all_ones")
    rows = nib.object_truth(ex, changes)
    assert len(rows) == (changes.kind == "object").sum()
    area = changes.loc[rows.index, "mask"].map(np.mean)
    np.testing.assert_allclose(rows.relevance, area, rtol=0.08)  # nearest neighbours at edges
    assert len(nib.word_truth(ex, changes)) == (changes.places.map(len) > 0).sum() < len(changes)


def test_concordance_is_somers_d_and_counts_couples():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"pair": np.repeat(range(5), 8), "kind": np.tile(["size", "colour"], 20),
                         "relevance": rng.integers(0, 4, 40), "fall": rng.integers(0, 5, 40) / 5})
    found = nib.concordance(rows).set_index(["pair", "kind"])
    for (pair, kind), row in found.iterrows():
        part = rows[(rows.pair == pair) & ((kind == "words") | (rows.kind == kind))]
        couples = [(a, b) if a.fall > b.fall else (b, a) for a, b in combinations(part.itertuples(), 2) if a.fall != b.fall]
        by_hand = np.mean([(a.relevance > b.relevance) + (a.relevance == b.relevance) / 2 for a, b in couples])
        assert row.concordance == pytest.approx(by_hand) and row.changes == len(part) == (8 if kind == "words" else 4)
        assert row.concordance == pytest.approx((1 + somersd(part.fall, part.relevance).statistic) / 2)
    assert len(found) == 15
    with pytest.raises(ValueError, match="row 3 has no fall; leave such rows out"):
        nib.concordance(rows.assign(fall=rows.fall.where(rows.index != 3)))
    with pytest.raises(ValueError, match="lack the column 'relevance'; pass those of word_truth"):
        nib.concordance(rows.drop(columns="relevance"))
    level = nib.concordance(rows.assign(fall=0.1))
    assert not len(level) and "concordance" in level


def test_a_method_that_knows_the_model_is_above_controls():
    mini, pairs = nib.load_clip("mini"), nib.load_pairs("shapes", n=12, seed=9)
    changes = nib.counterfactuals("shapes", n=12, seed=9)
    changes["fall"] = nib.falls(mini, pairs, changes)
    assert (changes.groupby("kind")["fall"].mean() > 0.05).all()
    share = {}
    for method, options in (("attn_lrp", {}), ("all_ones", {}), ("random", {"seed": 1})):
        ex = nib.explain(mini, list(pairs.image), list(pairs.caption), method, only="text", **options)
        found = nib.concordance(nib.word_truth(ex, changes))
        share[method] = found[found.kind == "words"].concordance.mean()
    assert share["all_ones"] == 0.5 and 0.4 < share["random"] < 0.6 < share["attn_lrp"]


@pytest.mark.parametrize("spoil, says", [
    (lambda c: c.drop(columns="fall"), "lack the column 'fall'; pass those of counterfactuals"),
    (lambda c: c.iloc[:0], "the changes are none"),
    (lambda c: c.assign(pair=c.pair + 1), "is of pair .*, which is not among those given; draw both")])
def test_changes_of_something_else_are_refused(ex, changes, spoil, says):
    with pytest.raises(ValueError, match=says):
        nib.word_truth(ex, spoil(changes))


def test_words_of_several_tokens_are_refused(ex, changes):
    split = replace(ex)
    split.__dict__["tokens"] = [["SOS", *caption.replace("a ", "a - ").split(), "EOS"] for caption in ex.captions]
    with pytest.raises(ValueError, match=r"caption 0, .* has the tokens \['a', '-', .*whose tokens are its words"):
        nib.word_truth(split, changes)


def test_explanations_without_the_map_are_refused(ex, changes):
    with pytest.raises(ValueError, match="no text maps"):
        nib.word_truth(replace(ex, text=[]), changes)
    with pytest.raises(ValueError, match="no image maps"):
        nib.object_truth(replace(ex, image=torch.empty(0)), changes)
    with pytest.raises(ValueError, match="none of the changes takes an object away"):
        nib.object_truth(ex, changes[changes.kind == "size"])
