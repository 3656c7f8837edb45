"""RISE by ever more masks: its own maps where `explain` has as many, halves that are disjoint and make the whole."""
import numpy as np
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.methods.shared.random_masks import Masks
from nib_utils.studies.halves import halves, pearson


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=2))


@pytest.fixture(scope="module")
def found(clip):
    return {method: halves(clip, tiny.pixels(3), tiny.captions()[:3], method, [6, 20], seed=4)
            for method in ("rise", "rise_centred")}


@pytest.mark.parametrize("method", ["rise", "rise_centred"])
def test_the_last_map_is_the_methods_own(clip, found, method):
    ours, own = found[method][0][20], nib.explain(clip, tiny.pixels(3), tiny.captions()[:3], method, masks=20, seed=4)
    torch.testing.assert_close(ours.image_scores, own.image_scores, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.image, own.image, rtol=1e-4, atol=1e-4)
    for a, b in zip(ours.text_scores, own.text_scores):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_fewer_masks_are_the_first_ones(clip, found):
    """Against RISE given these masks themselves."""
    x, ids = tiny.pixels(3), tiny.captions()[:3]
    for b in range(3):
        first = Masks(20, x.shape[-2:], 8, 0.1, 4 + b)[torch.arange(6)]
        own = nib.explain(clip, x[b : b + 1], ids[b : b + 1], "rise", only="image", given=first)
        torch.testing.assert_close(found["rise"][0][6].image_scores[b], own.image_scores[0], rtol=1e-5, atol=1e-6)


def test_agreement_is_that_of_every_second_mask_with_the_others(clip, found):
    x, ids, rows = tiny.pixels(3), tiny.captions()[:3], found["rise_centred"][1]
    assert rows.masks.tolist() == [6] * 3 + [20] * 3 and rows.pair.tolist() == [0, 1, 2] * 2
    looks = Masks(20, x.shape[-2:], 7, 0.5, 4 + 1)
    one, other = (nib.explain(clip, x[1:2], ids[1:2], "rise", only="image", given=looks[torch.arange(half, 20, 2)],
                              p=0.5, centred=True).image_scores for half in (0, 1))
    patches = [torch.nn.functional.adaptive_avg_pool2d(scores, clip.image.grid).flatten() for scores in (one, other)]
    assert rows[(rows.masks == 20) & (rows.pair == 1)].image_r.item() == pytest.approx(
        np.corrcoef(*patches)[0, 1], abs=1e-4)


def test_pearson_is_numpys_and_nan_of_what_is_constant():
    a, b = torch.rand(2, 9)
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12) and np.isnan(pearson(a, torch.ones(9)))


@pytest.mark.parametrize("method, masks, says", [("nib", [2], "method"), ("rise", [5, 10], "even and ascend"),
                                                 ("rise", [10, 10], "even and ascend"), ("rise", [0], "masks")])
def test_what_does_not_fit_is_said(clip, method, masks, says):
    with pytest.raises(ValueError, match=says):
        halves(clip, tiny.pixels(3), tiny.captions()[:3], method, masks)
