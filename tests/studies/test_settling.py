"""One learning of M2IB's mask, looked at after several steps, is as many learnings."""
import pytest
import torch

import nib_utils as nib
from nib_utils.studies.settling import settling


@pytest.fixture(scope="module")
def mini():
    return nib.load_clip("mini")


def test_maps_on_the_way_are_those_of_as_many_steps(mini):
    pairs = nib.load_pairs("shapes", n=9)  # more than a batch
    given = list(pairs.image), list(pairs.caption)
    found = settling(mini, *given, steps=[1, 2, 4], layer=10, learning_rate=0.5, seed=3)
    for n, ex in found.items():
        want = nib.explain(mini, *given, "m2ib", steps=n, layer=10, learning_rate=0.5, seed=3, progress=False)
        assert torch.equal(ex.image_scores, want.image_scores)
        assert all(torch.equal(a, b) for a, b in zip(ex.text_scores, want.text_scores))
    assert not torch.equal(found[2].image_scores, found[4].image_scores)


def test_steps_ascend(mini):
    with pytest.raises(ValueError, match="steps are .5, 2.; they must ascend"):
        settling(mini, ["a.png"], ["a"], steps=[5, 2])
    with pytest.raises(ValueError, match="steps"):
        settling(mini, ["a.png"], ["a"], steps=[0])
