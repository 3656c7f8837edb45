"""What held scores add up to: a plain loop's total, and the scores that the method gives."""
import pytest
import torch
from slow_held import slow, slow_shares

import nib_utils as nib


@pytest.fixture(scope="module")
def read():
    clip = nib.load_clip("mini")
    pairs = nib.load_pairs("shapes", n=3, seed=4)
    return clip, pairs, nib.account(clip, pairs, batch_size=2)


def test_the_parts_are_the_scores_of_the_method(read):
    clip, pairs, table = read
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "nib_held", image_options={"detail": "none"})
    for tower, sums in (("image", ex.image_scores.flatten(1).sum(1)),
                        ("text", torch.stack([s[1:-1].sum() for s in ex.text_scores]))):
        parts = table[table.tower == tower].set_index("pair").parts
        assert parts.tolist() == pytest.approx(sums.tolist(), abs=1e-5)
    columns = ["parts", "ends", "positions", "nothing"]
    assert table[columns].sum(axis=1).tolist() == pytest.approx(table.similarity.tolist(), abs=1e-6)
    assert table[table.tower == "image"].similarity.tolist() == pytest.approx(ex.similarity.tolist(), abs=1e-5)


def test_all_but_nothing_is_how_far_a_plain_loop_goes_along_the_stream(read):
    clip, pairs, table = read
    for tower, x, other in ((clip.image, clip.pixels([pairs.image[1]]), clip.encode_text([pairs.caption[1]])),
                            (clip.text, clip.ids([pairs.caption[1]])[0][None], clip.encode_image([pairs.image[1]]))):
        h = tower.embed(x)
        at = int(tower.at(x))
        total = (slow(tower, h[0], h, at, other[0], 0.0)[0] if tower.grid is None else
                 slow_shares(tower, h[0], at, other[0], 0.0, tower.depth).sum())
        row = table[(table.tower == tower.kind) & (table.pair == 1)].iloc[0]
        assert row.similarity - row.nothing == pytest.approx(float(total), abs=1e-5)


def test_bad_input_is_refused(read):
    clip, pairs, _ = read
    with pytest.raises(ValueError, match="batch_size is 0"):
        nib.account(clip, pairs, batch_size=0)
    with pytest.raises(ValueError, match="caption"):
        nib.account(clip, pairs.drop(columns="caption"))
