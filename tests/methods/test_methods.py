"""NIB and M2IB: equal to the published code, to an independent oracle, to their own slow paths, and to themselves."""
import warnings

import golden
import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.similarity import cosine
from nib_utils.methods.m2ib import Noise
from nib_utils.methods.shared.gradient import stream_gradient

FEW = {name: {"masks": 24} for name in ("rise", "rise_centred")}  # enough masks to tell, and quick
FEW["shapley"] = {"samples": 160}  # for 75 words


@pytest.fixture(scope="module")
def clip():
    return golden.clip()


@pytest.fixture(scope="module")
def double():
    """The same model in float64, in which what is equal is equal to many digits."""
    return nib.wrap(golden.clip().model.double())


@pytest.fixture(scope="module")
def pairs():
    return golden.inputs()


def readings(clip, pairs):
    """((tower, tokens, target) of the images, the same of the captions)."""
    pixels, ids = pairs
    image, text = clip.image.read(pixels), clip.text.read(pad([torch.as_tensor(i) for i in ids]))
    return (clip.image, image, text.feature), (clip.text, text, image.feature)


# published code


def test_nib_is_the_published_nib(clip, pairs):
    ex = nib.explain(clip, *pairs, method="nib")
    assert golden.image_error(ex, "nib") < 1e-4 and golden.text_error(ex, "nib") < 1e-4


def test_nib_batch_defect_on_request(clip, pairs):
    ex = nib.explain(clip, *pairs, method="nib", text_target="batch")
    assert golden.image_error(ex, "nib_batch") < 1e-4 and golden.text_error(ex, "nib_batch") < 1e-4
    own = nib.explain(clip, *pairs, method="nib")
    assert golden.text_error(own, "nib_batch") > 0.1  # the defect is visible


def test_m2ib_is_the_published_m2ib(clip, pairs):
    ex = nib.explain(clip, *pairs, method="m2ib", image_options={"seed": 100}, text_options={"seed": 200})
    assert golden.image_error(ex, "m2ib") < 1e-3 and golden.text_error(ex, "m2ib") < 1e-3


@pytest.mark.parametrize("method", ["gradcam", "chefer", "saliency", "fast_ig", "mfaba"])
def test_released_methods_are_the_published_ones(clip, pairs, method):
    ex = nib.explain(clip, *pairs, method=method)
    tolerance = 1e-3 if method == "mfaba" else 1e-4
    assert golden.image_error(ex, method) < tolerance and golden.text_error(ex, method) < tolerance


def test_rise_is_the_published_rise_under_its_masks(clip, pairs):
    masks = golden.rise_masks()
    checksum = golden.OUTPUTS["rise/masks_checksum"]
    np.testing.assert_allclose([masks.double().sum(), masks.double().pow(2).sum()], checksum, rtol=1e-5)
    ex = nib.explain(clip, *pairs, method="rise", only="image", given=masks)
    assert golden.image_error(ex, "rise") < 1e-4


# independent oracles


@pytest.mark.parametrize("layer, branch", [(0, "recomputed"), (7, "constant"), (9, "constant"), (9, "recomputed")])
def test_nib_is_captums_integrated_gradients(clip, pairs, layer, branch):
    for tower, tokens, target in readings(clip, pairs):
        z = tokens.stream(layer)
        forward = lambda h, at, target: cosine(tower.finish(h, layer, at), target)  # noqa: B023
        expected = IntegratedGradients(forward).attribute(
            z, baselines=0 * z, n_steps=10, method="riemann_right", additional_forward_args=(tokens.at, target)).sum(-1)
        got = nib.METHODS["nib"](tower, tokens, target, layer=layer, branch=branch)
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(got, expected.float(), atol=1e-5, rtol=0)


def slow_m2ib(tower, tokens, target, layer, beta, steps, copies, seed):
    """M2IB for one pair, as its paper writes it, by automatic differentiation."""
    h = tokens.stream(layer)[0]
    a = torch.full_like(h, 5.0).requires_grad_()
    adam, generator = torch.optim.Adam([a], lr=1.0), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        m, e = a.sigmoid(), torch.randn(copies, *h.shape, generator=generator)
        x = m * h + (1 - m) * e
        v = (1 - m) ** 2
        information = -0.5 * (1 + v.log() - (m * h) ** 2 - v)
        feature = tower.finish(x, layer, tokens.at.expand(copies))
        loss = beta * information.mean() - cosine(feature, target.expand(copies, -1)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return information.detach().sum(-1)


@pytest.mark.parametrize("options", [dict(), dict(beta=2.0, layer=4), dict(steps=3, copies=3, layer=11)])
def test_m2ib_is_its_slow_form(clip, pairs, options):
    options = dict(layer=10, beta=0.1, steps=10, copies=4) | options
    pixels, ids = pairs
    for tower, x, target in ((clip.image, pixels[:1], clip.encode_text(ids[:1])),
                             (clip.text, torch.as_tensor(ids[1])[None], clip.encode_image(pixels[1:2]))):
        expected = slow_m2ib(tower, tower.read(x), target, seed=3, **options)
        got = nib.METHODS["m2ib"](tower, tower.read(x), target, seed=3, **options)
        torch.testing.assert_close(got[0], expected, rtol=2e-4, atol=2e-3)


# the same whatever the batch, the chunk or the padding


@pytest.mark.parametrize("method", nib.METHODS)
def test_a_batch_is_its_pairs_one_by_one(clip, pairs, method):
    """MFABA steps by the sign of a gradient, so that the last bit of one near zero can turn a step: it gets 1e-3."""
    pixels, ids = pairs
    tolerance, noise = 1e-3 if "mfaba" in method else 1e-5, nib.METHODS[method].about.noise
    together = nib.explain(clip, pixels, ids, method=method, batch_size=4, **FEW.get(method, {}))
    for b in range(4):
        one = FEW.get(method, {}) | ({"seed": b} if noise else {})
        alone = nib.explain(clip, pixels[b : b + 1], ids[b : b + 1], method=method, **one)
        torch.testing.assert_close(alone.image[0], together.image[b], atol=tolerance, rtol=0)
        torch.testing.assert_close(alone.text[0], together.text[b], atol=tolerance, rtol=0)
        torch.testing.assert_close(alone.similarity[0], together.similarity[b], atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["nib", "m2ib"])
def test_chunks_do_not_change_the_scores(clip, pairs, method, monkeypatch):
    for tower, tokens, target in readings(clip, pairs):
        whole = nib.METHODS[method](tower, tokens, target)
        monkeypatch.setattr(type(tokens), "rows", property(lambda self: 3))
        parts = nib.METHODS[method](tower, tokens, target)
        monkeypatch.undo()
        torch.testing.assert_close(parts, whole, atol=1e-5 * whole.abs().max().item(), rtol=1e-5)


@pytest.mark.parametrize("method", nib.METHODS)
def test_the_same_seed_gives_the_same_bits(clip, pairs, method):
    first, second = (nib.explain(clip, *pairs, method=method, **FEW.get(method, {})) for _ in range(2))
    assert torch.equal(first.image, second.image) and all(map(torch.equal, first.text, second.text))


@pytest.mark.parametrize("options", [dict(start=20.0), dict(learning_rate=20.0), dict(beta=0.0, steps=40, copies=2)])
def test_m2ib_stays_finite_where_the_mask_saturates(clip, pairs, options):
    ex = nib.explain(clip, *pairs, method="m2ib", **options)
    assert ex.image_scores.isfinite().all() and ex.image_scores.max() > ex.image_scores.min() > 0


def test_m2ib_seeds_matter_and_nib_has_none(clip, pairs):
    first, second = (nib.explain(clip, *pairs, method="m2ib", seed=s) for s in (0, 1000))
    assert not torch.equal(first.image, second.image)
    with pytest.raises(TypeError, match="no option 'seed'"):
        nib.explain(clip, *pairs, method="nib", seed=0)


def test_noise_has_unit_variance_and_leaves_padding_alone(clip, pairs):
    text = readings(clip, pairs)[1][1]
    drawn = Noise(text, 0, 50, 64).draw()
    assert drawn.shape == (50, 4, 12, 64)
    assert not drawn[:, 0, 5:].any() and abs(drawn[:, 2].std().item() - 1) < 0.02


# structure: what the fast paths rest on


def test_one_row_of_the_last_block_is_the_blocks_own_row(double, pairs):
    for tower, reading, _ in readings(double, pairs):
        h, block = reading.stream(reading.tower.depth - 1).clone().requires_grad_(), tower.blocks[-1]
        rows = torch.arange(len(h))
        full, attention = block.attend(h)
        row, weights = block.row(h, reading.at)
        torch.testing.assert_close(row, full[rows, reading.at], atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(weights, attention[rows, :, reading.at], atol=1e-12, rtol=1e-12)
        slow, = torch.autograd.grad(full[rows, reading.at].pow(3).sum(), h)
        fast, = torch.autograd.grad(row.pow(3).sum(), h)
        torch.testing.assert_close(fast, slow, atol=1e-12 * slow.abs().max().item(), rtol=1e-10)


def test_a_readings_streams_are_the_padded_ones_without_their_padding(double):
    ids = double.ids(["a red square", "two small green circles above a large blue square", "a circle"])
    padded = pad(ids)
    reading = double.text.read(padded)
    assert len(reading.kept) == sum(map(len, ids)) < padded.numel()
    for layer in range(double.text.depth):
        plain = double.text.stream(padded, layer)
        for i, own in enumerate(map(len, ids)):
            torch.testing.assert_close(reading.stream(layer)[i, :own], plain[i, :own], atol=1e-12, rtol=1e-12)
            assert layer == 0 or not reading.stream(layer)[i, own:].any()


def test_a_pre_ln_block_reads_only_the_direction(clip, pairs):
    tower, tokens, _ = readings(clip, pairs)[0]
    z, block = tokens.stream(9), tower.blocks[9]
    torch.testing.assert_close(block.branch(0.1 * z), block.branch(z), atol=1e-3, rtol=1e-3)


def test_the_constant_branch_is_exact_but_for_the_norms_epsilon(clip, pairs):
    """At h_0 a token's variance is near 1, so the first steps feel an epsilon of 1e-5 and the scores move by half a percent; at h_9 by 1e-5."""
    for layer, relative in ((0, 2e-2), (9, 1e-4)):
        for tower, tokens, target in readings(clip, pairs):
            constant, full = (nib.METHODS["nib"](tower, tokens, target, layer=layer, branch=b)
                              for b in ("constant", "recomputed"))
            assert (constant - full).abs().max() < relative * full.abs().max()


def test_default_layers_follow_the_depth():
    deep = nib.wrap(tiny.openai(layers=8))
    x, target = tiny.pixels(2), torch.randn(2, 32)
    tokens = deep.image.read(x)
    for method, layer in (("nib", 6), ("m2ib", 6)):  # 10 / 12 of 8 is nearest to 7, the last
        default, named = (nib.METHODS[method](deep.image, tokens, target, **o) for o in ({}, {"layer": layer}))
        assert torch.equal(default, named)


def test_nib_at_the_last_layer_is_zero_on_every_patch(clip, pairs):
    """Patches reach the feature only through the last block's attention, which reads their direction alone."""
    for method, options in (("nib", {}), ("nib", {"branch": "recomputed"}), ("gradcam", {})):
        with pytest.warns(UserWarning, match="finds nothing in 4 of 4 images: every patch scores zero"):
            ex = nib.explain(clip, *pairs, method=method, layer=11, **options)
        assert not ex.image_scores.any() and not ex.image.any()


def test_without_that_care_rounding_would_be_the_picture(clip, pairs):
    """What floating point leaves of the sums at the last layer is a billionth of the pooled token's, yet not zero."""
    tower, tokens, target = readings(clip, pairs)[0]
    sums = (stream_gradient(tower, tokens, target, 11) * tokens.stream(11)).sum(-1)
    assert 0 < sums[:, 1:].abs().max() < 1e-5 * sums[:, 0].abs().max()
    earlier = (stream_gradient(tower, tokens, target, 10) * tokens.stream(10)).sum(-1)
    assert earlier[:, 1:].abs().max() > 0.01 * earlier[:, 0].abs().max()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nib.explain(clip, *pairs, method="nib", layer=10)


def test_towers_compute_no_parameter_gradients(clip, pairs):
    nib.explain(clip, *pairs, method="m2ib")
    nib.explain(clip, *pairs, method="nib")
    assert all(p.grad is None and p.requires_grad for p in clip.model.parameters())


@pytest.mark.parametrize("method", nib.METHODS)
@pytest.mark.parametrize("patch, side", [(32, 64), (16, 64), (14, 84)])
def test_other_grids_one_word_and_77_tokens(method, patch, side):
    clip = nib.wrap(tiny.openai(layers=4, patch_size=patch, image_size=side))
    ids = tiny.captions((3, 77))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rectified map may well be blank here
        ex = nib.explain(clip, tiny.pixels(2, (side, side)), ids, method=method, **FEW.get(method, {}))
    shape = (side, side) if nib.METHODS[method].about.pixels else (side // patch, side // patch)
    assert ex.image.shape == (2, side, side) and ex.image_scores.shape == (2, *shape)
    assert [len(t) for t in ex.text] == [3, 77] and all(t.isfinite().all() for t in ex.text)
    assert ex.image.isfinite().all() and F.relu(ex.image - 1).max() == 0
    something = ex.image_scores.flatten(1).any(1)
    assert np.isclose(ex.image.amax((1, 2))[something], 1).all()
    if not nib.METHODS[method].about.signed:
        assert ex.image_scores.min() >= 0 and all(t.min() >= 0 for t in ex.text_scores)


@pytest.mark.parametrize("method", nib.METHODS)
def test_bfloat16_has_no_nan(method):
    pixels, ids = tiny.pixels(2), tiny.captions((3, 77))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ex = nib.explain(nib.wrap(tiny.openai().bfloat16()), pixels, ids, method=method, **FEW.get(method, {}))
    assert ex.image.isfinite().all() and all(t.isfinite().all() for t in ex.text)
    assert ex.image.dtype == ex.image_scores.dtype == torch.float32


@pytest.mark.parametrize("make", [tiny.openai, tiny.open_clip, tiny.hf])
@pytest.mark.parametrize("method", nib.METHODS)
def test_every_library(method, make):
    model, options = make(), FEW.get(method, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ex = nib.explain(nib.wrap(model), tiny.pixels(2), tiny.captions((5, 9)), method=method, **options)
    assert ex.image.isfinite().all() and all(t.isfinite().all() for t in ex.text)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("method", ["nib", "m2ib", "gradcam", "saliency", "rollout", "clip_surgery", "legrad"])
def test_bfloat16_is_close_to_float32(method):
    pixels, ids = tiny.pixels(2), tiny.captions((5, 9))
    full = nib.explain(nib.wrap(tiny.openai()), pixels, ids, method=method)
    half = nib.explain(nib.wrap(tiny.openai().bfloat16()), pixels, ids, method=method)
    assert half.image.isfinite().all() and all(t.isfinite().all() for t in half.text)
    torch.testing.assert_close(half.similarity, full.similarity, atol=0.03, rtol=0)
    correlation = np.corrcoef(torch.cat(half.text), torch.cat(full.text))[0, 1]
    assert correlation > 0.9


@pytest.mark.parametrize("method, options, words", [
    ("m2ib", dict(learning_rate=-1.0), "learning_rate -1.0; they take"), ("m2ib", dict(beta=-0.5), "beta is -0.5"),
    ("m2ib", dict(seed=2**80), "seed is 12.*; it takes a whole number of 64 bits"),
    ("random", dict(seed=[0.5] * 4), r"seed is \[0.5, .*; it takes a whole number of 64 bits, or one for each pair"),
    ("rise", dict(masks=0), "rise: masks is 0; it takes at least 1."), ("rise", dict(p=0.0), "rise: p is 0.0; it takes")])
def test_options_out_of_range_are_named(clip, pairs, method, options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        nib.explain(clip, *pairs, method=method, **options)


# equal inputs are read once


@pytest.fixture(scope="module")
def repeated(pairs):
    """Six pairs of two pictures and four captions: one picture three times, the other twice and once again."""
    (pixels, ids), images, captions = pairs, (0, 0, 1, 0, 1, 2), (0, 1, 1, 2, 0, 0)
    return pixels[list(images)], [ids[i] for i in captions]


@pytest.mark.parametrize("method", nib.METHODS)
def test_pairs_that_share_an_input_are_explained_as_if_alone(double, repeated, method):
    few = FEW.get(method, {}) | ({"seed": [5] * 6} if nib.METHODS[method].about.noise else {})
    few |= {"steps": 4} if method in ("integrated_gradients", "mfaba_boundary", "m2ib") else {}
    few |= {"samples": 110} if method == "shapley" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a map may be blank, alone and together
        together = nib.explain(double, *repeated, method=method, batch_size=6, **few)
        one = few | ({"seed": 5} if "seed" in few else {})
        for i, (pixels, ids) in enumerate(zip(*repeated)):
            alone = nib.explain(double, pixels[None], [ids], method=method, **one)
            torch.testing.assert_close(together.image[i], alone.image[0], atol=1e-6, rtol=0)
            torch.testing.assert_close(together.text[i], alone.text[0], atol=1e-6, rtol=0)


def test_equal_inputs_go_through_a_tower_once(clip, repeated, monkeypatch):
    seen, tokens = [], clip.image.tokens
    monkeypatch.setattr(clip.image, "tokens", lambda x: seen.append(len(x)) or tokens(x))
    nib.explain(clip, *repeated, method="grad_eclip", batch_size=6)
    assert seen == [3]
