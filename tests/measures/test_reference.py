"""The kept reference: a slice made anew is the same within its error; it is refused where it does not belong."""
import numpy as np
import pandas as pd
import pytest
import scipy
import tiny
import torch

import nib_utils as nib
from nib_utils.measures.games import one_phrase_each, shapley_table, split_halves
from nib_utils.measures.reference import KEPT


@pytest.fixture(scope="module")
def mini():
    return nib.load_clip("mini", device="cpu")


@pytest.fixture(scope="module")
def captions():
    return nib.load_pairs("shapes", n=3, seed=0)


@pytest.fixture(scope="module", params=[("mini", "shapes"), ("mini-hard", "shapes-hard")], ids=lambda world: world[0])
def world(request):
    """A model, its data set, and the folder of what is kept of it."""
    model, dataset = request.param
    return nib.load_clip(model, device="cpu"), dataset, KEPT.with_name(f"{model}-{dataset}")


def test_patches_made_anew_by_chance_of_their_own_differ_by_no_more_than_they_say(world):
    clip, dataset, folder = world
    known = pd.read_csv(folder / "shapley.csv").query("game == 'captions' and pair == 1")
    again = shapley_table(clip, nib.load_pairs(dataset, n=2, seed=0)[1:], samples=1024, seed=99)
    for kind in ("image", "text"):
        one, other = (table[table.kind == kind] for table in (known, again))
        expected = np.hypot(*(split_halves(table).error.iloc[0] for table in (one, other.assign(pair=1))))
        off = np.sqrt(np.mean((one.value.to_numpy() - other.value.to_numpy()) ** 2))
        assert off <= 2 * expected + 1e-6
        if kind == "image":
            assert off > 0 and np.corrcoef(one.value, other.value)[0, 1] > 0.8


def test_words_of_phrases_are_exact_and_made_anew_the_same(world):
    clip, dataset, folder = world
    phrases = one_phrase_each(nib.load_pairs(dataset, n=9, seed=1)).head(3)
    kept = nib.reference(clip, phrases, "phrases", folder)
    again = nib.explain(clip, list(phrases.image), list(phrases.caption), "shapley", samples=206)
    assert all(2 ** (len(i) - 2) <= 206 for i in again.ids)
    for one, other in zip(kept.text_scores, again.text_scores):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_kept_values_add_up_to_the_cosine_less_that_of_nothing(world):
    clip, dataset, folder = world
    kept = nib.reference(clip, nib.load_pairs(dataset, n=3, seed=0), folder=folder)
    nothing = clip.encode_image(0 * kept.pixels)
    none = torch.nn.functional.cosine_similarity(nothing, kept.features[1])
    torch.testing.assert_close(kept.image_scores.sum((1, 2)), kept.similarity - none, atol=1e-4, rtol=0)
    assert kept.method == "shapley" and all(not s[[0, -1]].any() for s in kept.text_scores)


def test_it_is_refused_where_it_does_not_belong(mini, captions, tmp_path):
    with pytest.raises(ValueError, match="is not there; make it by `python -m nib_utils run shapley`"):
        nib.reference(mini, captions, folder=tmp_path)
    with pytest.raises(ValueError, match="these 2 pairs are not the first of them; pass the pairs"):
        nib.reference(mini, captions[1:])
    with pytest.raises(ValueError, match="game is 'words'; pass one of 'captions', 'phrases'"):
        nib.reference(mini, captions, "words")
    with pytest.raises(ValueError, match="was made by another model, or of other pictures: the cosine of pair"):
        nib.reference(nib.wrap(tiny.openai(layers=2, image_size=224)), captions)
    with pytest.raises(ValueError, match=r"values of 49 patches, not those of a grid \(2, 2\)"):
        nib.reference(nib.wrap(tiny.openai(layers=2, image_size=64)), captions)


# agreement


def test_agreement_by_hand(mini, captions):
    images, texts = list(captions.image), list(captions.caption)
    kept = nib.reference(mini, captions)
    ex = nib.explain(mini, images, texts, "rise", masks=20)
    got = nib.agreement(ex, kept)
    for b in range(3):
        patches = ex.image_scores[b].unflatten(0, (7, 32)).unflatten(2, (7, 32)).mean((1, 3)).flatten()
        expected = np.corrcoef(patches, kept.image_scores[b].flatten())[0, 1]
        ranks = [scipy.stats.rankdata(e.text_scores[b][1:-1]) for e in (ex, kept)]
        np.testing.assert_allclose(got.loc[b], [expected, np.corrcoef(*ranks)[0, 1]], atol=1e-5)


def test_it_agrees_with_itself_and_a_constant_with_nothing(mini, captions):
    images, texts = list(captions.image), list(captions.caption)
    kept = nib.reference(mini, captions)
    np.testing.assert_allclose(nib.agreement(kept, kept), 1, atol=1e-9)
    assert (nib.agreement(nib.explain(mini, images, texts, "all_ones"), kept) == 0).all(axis=None)
    assert list(nib.agreement(nib.explain(mini, images, texts, "all_ones", only="image"), kept)) == ["image"]
    with pytest.raises(ValueError, match="of 2 and 3 pairs with other captions; explain the same pairs"):
        nib.agreement(nib.explain(mini, images[:2], texts[:2], "all_ones"), kept)
