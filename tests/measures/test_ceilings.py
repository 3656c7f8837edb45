"""The ceilings of a grid: the truth by patch, and that no flat map beats its order."""
from itertools import product

import numpy as np
import pytest
import torch

import nib_utils as nib


@pytest.fixture(scope="module")
def masks():
    """Rough masks of 8 x 8 pixels, and one, a line, that covers patches alike."""
    made = torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(0)) < torch.linspace(0.1, 0.8, 8)
    return torch.cat([made, torch.zeros(1, 8, 8).bool().index_fill(1, torch.tensor([0]), True)])


def test_the_truth_is_each_patchs_share(masks):
    got = nib.grid_truth(masks, (2, 2))
    for b, y, x in product(range(len(masks)), range(2), range(2)):
        assert got[b, y, x] == pytest.approx(masks[b, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].float().mean().item())
    with pytest.raises(ValueError, match="mask 0 is empty"):
        nib.grid_truth(torch.zeros(1, 8, 8, dtype=torch.bool), (2, 2))


def test_no_flat_map_is_above_the_flat_ceiling(masks):
    """Every order of four patches, ties included, is tried."""
    ceiling = nib.grid_ceiling(masks, (2, 2))
    values = torch.tensor(list(product(range(4), repeat=4))).float().view(-1, 2, 2)  # (256, 2, 2)
    flat = values.repeat_interleave(4, 1).repeat_interleave(4, 2)
    for b, mask in enumerate(masks):
        here = mask.expand(len(flat), -1, -1)
        for metric in (nib.pointing, nib.iou, nib.average_precision):
            best = metric(flat, here).max().item()
            assert ceiling[f"{metric.__name__}_flat"][b] == pytest.approx(best, abs=1e-6), metric


def test_stretched_it_is_the_exact_masks_of_the_tables(clip):
    phrases = nib.phrase_pairs(nib.load_pairs("shapes", n=4, seed=3))
    masks = torch.from_numpy(np.stack(list(phrases["mask"])))
    truth, words = nib.grid_truth(masks, clip.image.grid), [torch.ones(len(i)) for i in clip.ids(list(phrases.phrase))]
    ex = nib.explanation(clip, list(phrases.image), list(phrases.phrase), truth, words, "exact_masks", scores=True)
    ceiling = nib.grid_ceiling(masks, clip.image.grid)
    np.testing.assert_allclose(nib.average_precision(ex.image, masks), ceiling.average_precision, atol=1e-5)
    assert ceiling.pointing.mean() > 0.5 and (ceiling.iou < 1).all()  # a grid of 7 x 7 cannot show a star
    with pytest.raises(ValueError, match="224 x 224 do not fall into 5 x 7 equal patches"):
        nib.grid_ceiling(masks, (5, 7))
