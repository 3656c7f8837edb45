"""NIB with the gates held: equal to a plain forward form of the held network, to AttnLRP, and to itself in a batch."""
import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from slow_held import norm, slow, slow_looks, slow_shares

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.methods.nib_held import detailed, diffused, gaussian, keeping
from nib_utils.methods.shared.held import Held

SMALL = dict(layers=3, width=16, heads=2, projection=8, image_size=32, patch_size=16)
MODELS = {
    "QuickGELU": lambda: tiny.hf(**SMALL),
    "GELU and LayerScale": lambda: tiny.open_clip(**SMALL, vision=dict(ls_init_value=0.5), text=dict(ls_init_value=0.5)),
}
run = nib.METHODS["nib_held"]


def sides(clip, pixels, lengths=(5, 9)):
    """((tower, reading, target) of images, the same of captions)."""
    image, text = clip.image.read(pixels), clip.text.read(pad([torch.as_tensor(i) for i in tiny.captions(lengths)]))
    return (clip.image, image, text.feature), (clip.text, text, image.feature)


def close(got, expected, tolerance=1e-5):
    size = expected.abs().max().item()
    assert size > 0
    torch.testing.assert_close(got, expected.to(got.dtype), atol=tolerance * size, rtol=0)


@pytest.fixture(params=MODELS)
def double(request):
    return nib.wrap(MODELS[request.param]().double())


@pytest.mark.parametrize("presence, streams, attention", [(0.0, 1, 0.0), (0.0, 3, 0.5), (-2.0, 2, 1.0)])
def test_scores_are_the_slow_forms(double, presence, streams, attention):
    """Every token of the images at every stream, every word of the captions, moved alone through the held network; every
    weight of attention raised alone."""
    options = dict(streams=streams, attention=attention, presence=presence, detail="none", diffusion=0.0)
    for tower, reading, target in sides(double, tiny.pixels(2, (32, 32)).double()):
        got = run(tower, reading, target, **options)
        for b, length in enumerate(reading.lengths.tolist()):
            x = reading.x[b : b + 1] if tower.grid else reading.x[b : b + 1, :length]
            h = tower.embed(x)[0]
            if tower.grid is None:
                moves = torch.eye(length).double()[:, :, None] * tower.parts["vocabulary"][x[0]]  # word t of move t
                expected = slow(tower, h, moves, reading.at[b], target[b], presence)
            else:
                expected = slow_shares(tower, h, reading.at[b], target[b], presence, streams)
                looks = slow_looks(tower, h, reading.at[b], target[b], presence)[1:]
                patches, looks = expected[1:], (looks - looks.mean()) / looks.std(correction=0)
                expected[1:] += attention * patches.std(correction=0) * looks
            close(got[b, :length], expected)
            assert not got[b, length:].any()


@pytest.mark.parametrize("presence", [0.0, -2.0])
def test_detail_is_the_slow_form(double, presence):
    """Every pixel moved alone; each patch's score handed out by a loop over its pixels."""
    (tower, reading, target), _ = sides(double, tiny.pixels(2, (32, 32)).double())
    whole = run(tower, reading, target, presence=presence, detail="none")[:, 1:]  # diffused
    got = run(tower, reading, target, presence=presence, detail="redistributed", smoothing=0.0)
    product = run(tower, reading, target, presence=presence, detail="product", smoothing=0.0)
    for b, x in enumerate(reading.x):
        one = torch.eye(32 * 32).double().view(-1, 1, 32, 32)  # pixel i of move i
        h, moves = norm(tower.pre, tower.tokens(x[None])[0], tower.tokens(one * x) - tower.tokens(0 * x[None]))
        d = slow(tower, h, moves, 0, target[b], presence).view(32, 32).relu()
        patches = [(slice(16 * r, 16 * r + 16), slice(16 * c, 16 * c + 16)) for r in (0, 1) for c in (0, 1)]
        floor = 0.05 * max(d[place].mean() for place in patches)
        expected = torch.zeros(32, 32)
        for place, score in zip(patches, whole[b]):
            expected[place] = score * (d[place] + floor) / (d[place].mean() + floor) if score > 0 else score
        close(got[b], expected)
        stretched = F.interpolate(whole[b].relu().view(1, 1, 2, 2), (32, 32), mode="bilinear")[0, 0]
        torch.testing.assert_close(product[b].double(), stretched * d, atol=1e-5 * whole.abs().max() * d.max(), rtol=0)
    assert product.any()


def test_attention_moves_what_the_patches_give_and_keeps_its_sum(double):
    (tower, reading, target), _ = sides(double, tiny.pixels(2, (32, 32)).double())
    still, moved = (run(tower, reading, target, attention=a, detail="none") for a in (0.0, 0.5))
    assert (still - moved).abs().max() > 1e-3 * still.abs().max() and torch.equal(still[:, 0], moved[:, 0])
    torch.testing.assert_close(moved.sum(1), still.sum(1))


def test_presence_narrows_what_attention_sees_and_not_the_reading(double):
    (tower, reading, target), _ = sides(double, tiny.pixels(2, (32, 32)).double())
    run(tower, reading, target, presence=-2.0)
    torch.testing.assert_close(reading.feature, tower(reading.x))  # what explain goes on with is the whole picture's
    at = {u: Held(tower, reading.stream(0), reading.at, u).feature for u in (0.0, -2.0, -50.0)}
    torch.testing.assert_close(at[0.0], reading.feature)
    assert (at[-2.0] - at[0.0]).abs().max() > 1e-2
    torch.testing.assert_close(at[-50.0][0], at[-50.0][1])  # CLS sees itself alone, whatever the picture


@pytest.mark.parametrize("presence", [0.0, -2.0])
def test_what_is_pushed_up_is_what_is_pulled_down(double, presence):
    """Either way through the held tower gives the same number; pairs in any order, more than are pulled at once."""
    for tower, reading, _ in sides(double, tiny.pixels(2, (32, 32)).double()):
        net, row = Held(tower, reading.stream(0), reading.at, presence), torch.arange(37) % 3 % 2
        moves, goal = torch.randn(37, *net.h.shape[1:]).double(), torch.randn(37, 8).double()
        up = (net.push(moves, row) * F.normalize(goal, dim=-1)).sum(-1)
        close((net.pull(goal, row)[0] * moves).flatten(1).sum(1), up, 1e-10)


def test_one_stream_is_attn_lrp(double):
    """Of words only what their rows of the vocabulary say, so that positions must be nothing for the two to be one."""
    (tower, reading, target), words = sides(double, tiny.pixels(2, (32, 32)).double())
    plain = dict(streams=1, attention=0.0, presence=0.0, detail="none", diffusion=0.0)
    close(run(tower, reading, target, **plain), nib.METHODS["attn_lrp"](tower, reading, target))
    assert (run(*words) - nib.METHODS["attn_lrp"](*words)).abs().max() > 1e-3
    double.text.parts["positions"].zero_()
    _, words = sides(double, tiny.pixels(2, (32, 32)).double())
    close(run(*words), nib.METHODS["attn_lrp"](*words))


@pytest.mark.parametrize("smoothing", [0.0, 0.125, 0.25])
def test_redistributed_detail_keeps_every_patch(smoothing):
    scores, d = torch.randn(3, 4, 5), torch.rand(3, 64, 80).pow(8)
    d[0, :16] = 0  # patches in which nothing is seen
    fine = detailed(scores, d, "redistributed", smoothing)
    torch.testing.assert_close(F.avg_pool2d(fine, 16), scores, atol=1e-5, rtol=0)
    assert torch.equal(F.avg_pool2d(fine, 16).flatten(1).argsort(), scores.flatten(1).argsort())
    assert smoothing or fine.std() > 1.2 * scores.std()  # there is detail


def test_neighbours_even_out_a_share_of_what_they_differ_in():
    scores = torch.randn(2, 4, 5).double()
    expected = scores.clone()
    for i, j in torch.cartesian_prod(torch.arange(4), torch.arange(5)).tolist():
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= a < 4 and 0 <= b < 5:
                expected[:, i, j] += 0.1 * (scores[:, a, b] - scores[:, i, j])
    torch.testing.assert_close(diffused(scores, 0.1), expected)
    torch.testing.assert_close(diffused(scores, 0.1).sum((1, 2)), scores.sum((1, 2)))
    assert torch.equal(diffused(scores, 0.0), scores)


def test_detail_of_nothing_is_flat():
    scores = torch.randn(1, 2, 2)
    flat = detailed(scores, torch.zeros(1, 8, 8), "redistributed", 0.0)
    torch.testing.assert_close(flat, scores.repeat_interleave(4, 1).repeat_interleave(4, 2))


def test_smoothing_is_a_gaussian_that_keeps_means():
    from scipy.ndimage import gaussian_filter1d

    x = torch.rand(96, dtype=torch.float64)
    smooth = gaussian(96, 2.5).double()
    np.testing.assert_allclose((smooth @ x)[20:-20], gaussian_filter1d(x, 2.5, truncate=8)[20:-20], atol=1e-6)
    keep = keeping(6, smooth)
    torch.testing.assert_close((keep @ x).view(6, 16).mean(1), x.view(6, 16).mean(1))
    assert (keep @ x).diff().abs().mean() < 0.3 * x.diff().abs().mean()  # and is smooth
    torch.testing.assert_close(keep @ torch.ones(96).double(), torch.ones(96).double())
    assert torch.equal(gaussian(5, 0), torch.eye(5))


@pytest.mark.parametrize("detail", ["redistributed", "product", "none"])
def test_a_batch_is_its_pairs_one_by_one(detail):
    """Captions of other lengths, two of them on one picture."""
    clip = nib.wrap(tiny.hf().double())
    pixels, ids = tiny.pixels(3)[[0, 1, 0, 2]], [torch.as_tensor(i) for i in tiny.captions()]
    for options in ({"image_options": {"detail": detail}}, {"presence": 0.0, "image_options": {"detail": detail}}):
        together = nib.explain(clip, pixels, ids, "nib_held", batch_size=4, **options)
        for b in range(4):
            alone = nib.explain(clip, pixels[b : b + 1], ids[b : b + 1], "nib_held", **options)
            close(alone.image_scores[0], together.image_scores[b], 1e-6)
            close(alone.text_scores[0], together.text_scores[b], 1e-6)


@pytest.mark.parametrize("detail", ["redistributed", "product", "none"])
def test_half_precision_is_near_full(detail):
    pixels, ids = tiny.pixels(2), tiny.captions((5, 77))
    half, full = (nib.explain(nib.wrap(model), pixels, ids, "nib_held", image_options={"detail": detail})
                  for model in (tiny.openai().bfloat16(), tiny.openai()))
    assert half.image_scores.isfinite().all() and half.image_scores.dtype == torch.float32
    for a, b in ((half.image_scores, full.image_scores), (torch.cat(half.text_scores), torch.cat(full.text_scores))):
        assert np.corrcoef(a.flatten(), b.flatten())[0, 1] > 0.97


@pytest.mark.parametrize("options, words", [({"image_options": {"detail": "fine"}}, "detail is 'fine'; it takes one of"),
                                            ({"smoothing": -1.0}, "smoothing is -1.0; it takes 0 to 1"),
                                            ({"diffusion": 0.3}, "diffusion is 0.3; it takes 0 to 0.2"),
                                            ({"attention": 2.5}, "attention is 2.5; it takes 0 to 2"),
                                            ({"presence": 1e9}, "presence is 1000000000.0; it takes -50 to 0")])
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        nib.explain(nib.wrap(tiny.openai()), tiny.pixels(1), tiny.captions((5,)), "nib_held", **options)
