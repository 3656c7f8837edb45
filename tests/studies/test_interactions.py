"""Words against pixels by the rivals' ways: integrated Jacobians equal a plain loop, products equal their definition."""
import itertools

import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.studies.interactions import products


@pytest.fixture(scope="module")
def double():
    return nib.wrap(tiny.open_clip(layers=2, width=16, projection=8, image_size=32, patch_size=16).double())


def pixels(n=2):
    return tiny.pixels(n, (32, 32))


def test_integrated_jacobians_are_a_loop_over_whole_jacobians(double):
    ids = tiny.captions((5, 7))
    found = nib.integrated_jacobians(double, pixels(), ids, steps=3)
    for b, own in enumerate(map(torch.as_tensor, ids)):
        sides = []
        for tower, x, empty in (
                (double.text, own[None], double.text.parts["positions"][: len(own)].clone()[None]),
                (double.image, pixels()[b : b + 1].double(), double.image.tokens(torch.zeros(1, 3, 32, 32).double()))):
            whole = tower.tokens(x)
            gone = whole.clone()
            parts = slice(1, len(own) - 1) if tower.kind == "text" else slice(1, 5)
            gone[:, parts] = empty[:, parts]
            h, nothing = (tower.blocks[0](tower.pre(tokens)) for tokens in (whole, gone))
            at = int(tower.at(x))
            last = lambda y, tower=tower, at=at: tower.head(tower.blocks[1](y)[:, at])[0]
            jacobian = sum(torch.autograd.functional.jacobian(last, nothing + (k + 0.5) / 3 * (h - nothing))
                           for k in range(3))[:, 0] / 3  # (E, T, D)
            sides.append(torch.einsum("etd,td->te", jacobian, (h - nothing)[0])[parts] / last(h).norm())
        expected = sides[0] @ sides[1].T
        torch.testing.assert_close(found.scores[b].flatten(1).double(), expected, atol=1e-6, rtol=1e-4)


def test_products_are_what_two_parts_are_worth_together_on_average():
    """Over all coalitions: the mean of s(both) - s(word) - s(patch) + s(neither), Banzhaf's index of two parts."""
    patches, words = (torch.tensor(list(itertools.product([False, True], repeat=n))) for n in (4, 3))
    worth = torch.rand(16, 8, generator=torch.Generator().manual_seed(0)).double()
    found = products(patches, words, worth)
    for word, patch in itertools.product(range(3), range(4)):
        signs = (2.0 * patches[:, patch] - 1)[:, None] * (2.0 * words[:, word] - 1)
        assert found[word, patch] == pytest.approx(4 * float((signs * worth).mean()), abs=1e-12)


def test_sampled_interactions_come_near_to_those_of_all_coalitions(double):
    ids = tiny.captions((5, 7))
    few, many = (nib.sampled_interactions(double, pixels(), ids, pictures=n, sentences=n) for n in (40, 1500))
    assert [one.shape for one in many.scores] == [(3, 2, 2), (5, 2, 2)] and many.size == (32, 32)
    other = nib.sampled_interactions(double, pixels(), ids, pictures=1500, sentences=1500, seed=7)
    error = lambda a: torch.cat([(x - y).flatten() for x, y in zip(a.scores, other.scores)]).norm()
    assert error(many) < error(few)
    alone = nib.sampled_interactions(double, pixels()[1:], ids[1:], pictures=40, sentences=40, seed=1)
    torch.testing.assert_close(alone.scores[0], few.scores[1], atol=1e-6, rtol=1e-4)  # a batch is its pairs


def test_bad_numbers_are_refused(double):
    with pytest.raises(ValueError, match="steps is 0"):
        nib.integrated_jacobians(double, pixels(), tiny.captions((5, 7)), steps=0)
    with pytest.raises(ValueError, match="pictures is 4"):
        nib.sampled_interactions(double, pixels(), tiny.captions((5, 7)), pictures=4)
    for work in (nib.integrated_jacobians, nib.sampled_interactions):
        with pytest.raises(ValueError, match="2 images and 1 captions"):
            work(double, pixels(), tiny.captions((5,)))
