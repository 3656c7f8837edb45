"""What NIB's scores sum to: the quadrature converges to the held gap, and every number against a plain form."""
import numpy as np
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.similarity import cosine
from nib_utils.studies.completeness import NODES, Path


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=4)


@pytest.fixture(scope="module")
def table(clip, pairs):
    table = nib.completeness(clip, pairs, steps=(1, 10, 40, 120))
    return table.assign(error=(table.attribution_sum - table.held_gap).abs())


def readings(clip, pairs):
    return clip.image.read(clip.pixels(list(pairs.image))), clip.text.read(pad(clip.ids(list(pairs.caption))))


def test_the_published_rule_is_nibs_scores_summed(clip, pairs, table):
    image, text = readings(clip, pairs)
    for tower, tokens, target in ((clip.image, image, text.feature), (clip.text, text, image.feature)):
        scores = nib.METHODS["nib"](tower, tokens, target, steps=10)
        got = table[(table.tower == tower.kind) & (table.rule == "right") & (table.steps == 10)]
        np.testing.assert_allclose(got.attribution_sum, scores.sum(1), atol=2e-5)


def test_the_sums_converge_to_the_held_gap_and_not_to_the_full_one(table):
    error = table.pivot_table(index=["tower", "rule"], columns="steps", values="error")
    assert (error[10] < error[1]).all() and (error[40] < error[10]).all() and (error[120] < error[40]).all()
    for tower in ("image", "text"):
        assert error.loc[(tower, "midpoint"), 120] < 1e-3
        mid, right = error.loc[(tower, "midpoint")], error.loc[(tower, "right")]
        assert mid[120] < right[120] / 4 and mid[120] / mid[40] < 0.7 * right[120] / right[40]  # a faster rate as well
        assert error.loc[(tower, "trapezoid"), 120] < error.loc[(tower, "left"), 120]
    finest = table[(table.rule == "midpoint") & (table.steps == 120)]
    assert ((finest.attribution_sum - finest.full_gap).abs() > 10 * finest.error).mean() > 0.8


def test_on_a_smooth_path_the_orders_are_one_and_two():
    error = lambda rule, n: abs(sum(w * np.exp(k) for k, w in NODES[rule](n).items()) - (np.e - 1))
    for rule, order in (("right", 1), ("left", 1), ("midpoint", 2), ("trapezoid", 2)):
        assert np.log2(error(rule, 20) / error(rule, 40)) == pytest.approx(order, abs=0.05)
        assert sum(NODES[rule](7).values()) == pytest.approx(1)


def test_gaps_by_hand(clip, pairs, table):
    image, text = readings(clip, pairs)
    z, block, at = image.stream(9), clip.image.blocks[9], torch.zeros(len(pairs), dtype=torch.long)
    whole = cosine(clip.image(image.x), text.feature)
    nothing = cosine(clip.image.finish(torch.zeros_like(z), 9, at), text.feature)
    a = block.branch(z)
    held = cosine(clip.image.finish(a + block.fc2(block.act(block.fc1(block.norm2(a)))), 10, at), text.feature)
    got = table[(table.tower == "image") & (table.rule == "right") & (table.steps == 1)]
    np.testing.assert_allclose(got.similarity, whole, atol=1e-5)
    np.testing.assert_allclose(got.full_gap, whole - nothing, atol=1e-5)
    np.testing.assert_allclose(got.held_gap, whole - held, atol=1e-5)


def test_slopes_are_differences_of_similarities():
    clip = nib.wrap(tiny.openai(layers=4).double())
    image, text = clip.image.read(tiny.pixels(2).double()), clip.text.read(pad([torch.tensor(c) for c in tiny.captions()[:2]]))
    path = Path(clip.image, image, text.feature, 1)
    with torch.no_grad():
        for share in (0.05, 0.5, 1.0):
            # the cosine is in float32, so the step is wide
            difference = (path.held(share + 1e-2) - path.held(share - 1e-2)) / 2e-2
            torch.testing.assert_close(path.slopes(share).sum(1), difference, rtol=2e-2, atol=2e-4)


def test_narrowing_ends_where_the_branch_alone_is_left(clip, pairs, table):
    rows = nib.narrowing(clip, pairs, shares=(1, 0.5, 0.1, 0)).set_index(["tower", "pair", "share"]).sort_index()
    full = table[(table.rule == "right") & (table.steps == 1)].set_index(["tower", "pair"]).sort_index()
    at = lambda column, share: rows.xs(share, level="share")[column]
    np.testing.assert_allclose(at("similarity_held", 1.0), full.similarity, atol=1e-6)
    np.testing.assert_allclose(at("similarity_held", 0.0), full.similarity - full.held_gap, atol=1e-5)
    np.testing.assert_allclose(at("similarity_recomputed", 0.0), full.similarity - full.full_gap, atol=1e-5)
    np.testing.assert_allclose(at("similarity_held", 0.5), at("similarity_recomputed", 0.5), atol=1e-3)
    assert (at("kept", 0.0) == 0).all() and (at("kept", 1.0) > at("kept", 0.5)).all() and rows.kept.between(0, 1).all()
    assert (rows["size"] >= rows.slope.abs() - 1e-6).all()
    image, _ = readings(clip, pairs)
    z, a = (x - x.mean(-1, keepdim=True) for x in (0.5 * image.stream(9), clip.image.blocks[9].branch(image.stream(9))))
    share = (z.norm(dim=-1) ** 2 / (z.norm(dim=-1) ** 2 + a.norm(dim=-1) ** 2)).mean(1)
    np.testing.assert_allclose(at("kept", 0.5)["image"], share, rtol=1e-4)


def test_batches_do_not_matter(clip, pairs):
    whole, parts = (nib.completeness(clip, pairs, steps=(3,), layer=7, batch_size=b) for b in (4, 3))
    order = ["tower", "pair", "rule"]
    whole, parts = (t.sort_values(order).reset_index(drop=True) for t in (whole, parts))
    assert whole[order].equals(parts[order])
    np.testing.assert_allclose(whole.drop(columns=order), parts.drop(columns=order), atol=1e-4)


@pytest.mark.parametrize("call, words", [
    (lambda clip, pairs: nib.completeness(clip, pairs, rules=("simpson",)), "no rule is called 'simpson'; there are right"),
    (lambda clip, pairs: nib.completeness(clip, pairs, steps=(0,)), "steps is 0"),
    (lambda clip, pairs: nib.completeness(clip, pairs, layer=12), "layer is 12"),
    (lambda clip, pairs: nib.narrowing(clip, pairs, shares=(1.5,)), "a share is 1.5; it lies in 0..1"),
])
def test_bad_input_gets_one_clear_sentence(clip, pairs, call, words):
    with pytest.raises(ValueError, match=words):
        call(clip, pairs)
