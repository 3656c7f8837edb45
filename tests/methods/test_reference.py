"""The reference: KernelSHAP against exact sums, Captum and shapiq; one part out, one part alone, against slow loops."""
import math

import golden
import numpy as np
import pytest
import tiny
import torch
from captum.attr import KernelShap, ShapleyValueSampling

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.similarity import cosine
from nib_utils.methods.shapley import estimates
from nib_utils.methods.shared.kernel_shap import kernel_shap


def toy(parts: int, seed: int = 0):
    """A game of which every coalition is worth something else, by its row in a table of 2^parts."""
    worth = torch.randn(2**parts, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return lambda keep: worth[(keep.long() * 2 ** torch.arange(parts)).sum(1)]


def exact(game, parts: int) -> torch.Tensor:
    """The definition: what each part adds to every coalition of the others, by the share of orders that it has."""
    values = torch.zeros(parts, dtype=torch.float64)
    for i in range(parts):
        for m in range(2**parts):
            if not m >> i & 1:
                others = torch.tensor([[m >> j & 1 for j in range(parts)]]).bool()
                size = int(others.sum())
                share = math.factorial(size) * math.factorial(parts - size - 1) / math.factorial(parts)
                values[i] += share * (game(others | (torch.arange(parts) == i)) - game(others))[0]
    return values


def wide():
    """A smooth game of 30 parts that act together, and the values that very many samples of it give."""
    generator = torch.Generator().manual_seed(0)
    weights, out = (torch.randn(*shape, generator=generator).double() for shape in ((30, 16), (16,)))
    game = lambda keep: torch.tanh(keep.double() @ weights / 3 - 0.5).square() @ out
    return game, kernel_shap(game, 30, 100_000, seed=1).values


@pytest.mark.parametrize("parts", [1, 2, 5, 8])
def test_all_coalitions_give_the_definition(parts):
    game = toy(parts)
    torch.testing.assert_close(kernel_shap(game, parts, 2**parts).values, exact(game, parts), atol=1e-6, rtol=0)


def test_shapiq_says_the_same():
    shapiq = pytest.importorskip("shapiq", reason="shapiq brings a compiler of 230 MB, so it is not among the extras")
    game = toy(8)
    found = shapiq.ExactComputer(n_players=8, game=lambda keep: game(torch.as_tensor(keep)).numpy())("SV")
    got = kernel_shap(game, 8, 256).values
    np.testing.assert_allclose([found[(i,)] for i in range(8)], got, atol=1e-9)


def test_captums_samplers_agree_within_their_error():
    game, values = toy(8), kernel_shap(toy(8), 8, 256).values
    for sampler, options in ((ShapleyValueSampling, dict(n_samples=20)), (KernelShap, dict(n_samples=120))):
        runs = torch.stack([sampler(lambda keep: game(keep > 0)).attribute(torch.ones(1, 8), **options)[0]
                            for _ in range(8)]).double()
        error = runs.std(0) / 8**0.5
        assert ((runs.mean(0) - values).abs() < 4.5 * error).all() and error.max() < 0.3 < values.abs().max()


def test_samples_come_near_and_know_how_near():
    game, values = wide()
    for samples in (300, 1200):
        found = [kernel_shap(game, 30, samples, seed) for seed in range(40)]
        off = torch.stack([f.values - values for f in found]).square().mean().sqrt().item()
        said = float(np.sqrt(np.mean([f.error**2 for f in found])))
        assert off == pytest.approx(said, rel=0.2) and off < {300: 0.4, 1200: 0.2}[samples] * values.std()
        for f in found[:3]:
            everybody = game(torch.ones(1, 30)) - game(torch.zeros(1, 30))
            assert f.values.sum().item() == pytest.approx(everybody.item(), abs=1e-9)


def test_a_sum_of_parts_is_found_by_the_fewest_samples():
    worth = torch.randn(49, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = kernel_shap(lambda keep: 3 + keep.double() @ worth, 49, 104)
    torch.testing.assert_close(found.values, worth, atol=1e-9, rtol=0)
    assert found.error < 1e-9


def test_too_few_samples_are_refused():
    assert kernel_shap(toy(3), 3, 8).error == 0
    for parts, samples, least in ((49, 103, 104), (3, 7, 8), (5, 15, 16)):
        with pytest.raises(ValueError, match=f"samples is {samples}, too few for {parts} parts.*at least {least}"):
            kernel_shap(toy(1), parts, samples)
    with pytest.raises(ValueError, match="samples is 1, too few for 4 parts"):
        nib.explain(nib.wrap(tiny.openai()), tiny.pixels(1), tiny.captions((5,)), "shapley", samples=1)


# the methods on a model


@pytest.fixture(scope="module")
def small():
    return nib.wrap(tiny.openai(layers=2, image_size=96))  # nine patches, so that all of 512 coalitions can be tried


def test_shapley_of_patches_is_captums_on_the_pixels(small):
    x, target = tiny.pixels(1, (96, 96)), torch.randn(1, 32)
    got = nib.METHODS["shapley"](small.image, small.image.read(x), target)[0]
    place = torch.arange(9).view(1, 1, 3, 3).repeat_interleave(32, 2).repeat_interleave(32, 3)
    sampler = ShapleyValueSampling(lambda x: cosine(small.image(x), target))
    runs = torch.stack([sampler.attribute(x, feature_mask=place, n_samples=40, perturbations_per_eval=9)[0, 0, ::32, ::32]
                        for _ in range(6)]).flatten(1)
    error = runs.std(0) / 6**0.5
    assert got[0] == 0 and ((runs.mean(0) - got[1:]).abs() < 4.5 * error).all()
    assert error.max() < 0.2 * got.abs().max()
    none = cosine(small.image(0 * x), target)
    assert got.sum().item() == pytest.approx((cosine(small.image(x), target) - none).item(), abs=1e-5)


def without(clip, ids, gone) -> torch.Tensor:
    """The feature of a caption of which the words at these places have lost their row of the vocabulary."""
    parts = clip.text.parts
    rows = parts["vocabulary"][ids].clone()
    rows[gone] = 0
    return clip.text.finish(clip.text.pre((rows + parts["positions"][: len(ids)])[None]), 0, torch.tensor([len(ids) - 1]))


def test_shapley_of_words_is_the_definition(small):
    ids = [torch.as_tensor(c) for c in tiny.captions((7, 4))]
    reading, target = small.text.read(pad(ids)), torch.randn(2, 32)
    got = nib.METHODS["shapley"](small.text, reading, target)
    for b, caption in enumerate(ids):
        words = len(caption) - 2
        game = lambda keep, c=caption, b=b: torch.stack([cosine(without(small, c, 1 + (~k).nonzero()[:, 0]), target[b])[0]
                                                         for k in keep]).double()
        torch.testing.assert_close(got[b, 1 : 1 + words].double(), exact(game, words), atol=2e-6, rtol=0)
        assert got[b, 0] == 0 and not got[b, 1 + words :].any()


def test_one_out_and_one_alone_are_slow_loops():
    clip, (pixels, ids) = golden.clip(), golden.inputs()
    ids = [torch.as_tensor(i) for i in ids]
    image, text = clip.image.read(pixels), clip.text.read(pad(ids))
    for name, sign in (("leave_one_out", -1), ("one_alone", 1)):
        got = nib.METHODS[name](clip.image, image, text.feature)
        start = pixels if sign < 0 else 0 * pixels
        for i in (0, 8, 48):
            here = (..., slice(32 * (i // 7), 32 * (i // 7) + 32), slice(32 * (i % 7), 32 * (i % 7) + 32))
            x = start.clone()
            x[here] = 0 if sign < 0 else pixels[here]
            expected = sign * (cosine(clip.image(x), text.feature) - cosine(clip.image(start), text.feature))
            torch.testing.assert_close(got[:, 1 + i], expected, atol=2e-6, rtol=0)
        assert got.abs().max() > 1e-3 and not got[:, 0].any()
        got = nib.METHODS[name](clip.text, text, image.feature)
        for b, caption in enumerate(ids):
            every = torch.arange(1, len(caption) - 1)
            start = every[:0] if sign < 0 else every
            for i in every.tolist():
                gone = torch.tensor([i]) if sign < 0 else every[every != i]
                worth = [cosine(without(clip, caption, g), image.feature[b : b + 1])[0] for g in (gone, start)]
                assert got[b, i].item() == pytest.approx((sign * (worth[0] - worth[1])).item(), abs=2e-6)
            assert got[b, 0] == 0 and not got[b, len(caption) - 1 :].any()


def test_halves_are_of_their_own_samples():
    clip, (pixels, ids) = golden.clip(), golden.inputs()
    reading = clip.image.read(pixels[:2])
    target = clip.encode_text(ids[:2])
    few, same = (estimates(clip.image, reading, target, 150, seed) for seed in (0, [0, 1]))
    for one, other in zip(few, same):
        assert torch.equal(one.values, other.values) and not torch.equal(*one.halves) and one.error > 0
    assert set(nib.REFERENCE) == {"shapley", "leave_one_out", "one_alone"}
