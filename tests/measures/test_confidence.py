"""Confidence Drop and Increase: the released evaluation to the digit, the corrected one by hand."""
import golden
import numpy as np
import pandas as pd
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.clip.similarity import cosine
from nib_utils.measures.confidence import SHARES, change, dim_pixels
from nib_utils.measures.ranking import chances, ranks


@pytest.fixture(scope="module")
def clip():
    return golden.clip()


def golden_maps(clip, *maps, **options):
    """The golden inputs with these maps, or with chance's, as an explanation."""
    return nib.explanation(clip, *golden.inputs(), *(maps or golden.random_maps()), **options)


@pytest.mark.parametrize("name", ["nib", "nib_batch", "chefer", "m2ib", "random"])
def test_published_protocol_is_the_released_evaluation(clip, name):
    pixels, ids = golden.inputs()
    options = {"m2ib": dict(method="m2ib", image_options={"seed": 100}, text_options={"seed": 200}),
               "nib_batch": dict(method="nib", text_target="batch"), "chefer": dict(method="chefer")}
    ex = golden_maps(clip) if name == "random" else nib.explain(clip, pixels, ids, **options.get(name, {}))
    got = nib.confidence(clip, ex, protocol="published")
    for column, key in zip(("image_drop", "image_increase", "text_drop", "text_increase"),
                           ("vdrop", "vincr", "tdrop", "tincr")):
        np.testing.assert_allclose(got[column], golden.OUTPUTS[f"metric/{name}/{key}"], atol=1e-3)


def test_a_map_of_ones_loses_nothing_when_published_but_does_when_corrected(clip):
    ex = golden_maps(clip, torch.ones(4, 224, 224), [torch.ones(len(i)) for i in golden.inputs()[1]])
    published, corrected = (nib.confidence(clip, ex, protocol=p) for p in ("published", "corrected"))
    assert not published.to_numpy().any()
    assert (corrected.image_drop + corrected.image_increase > 0).all()


def slow(clip, x, text, scores, share, draws=1):
    """Drops (draws,) of one picture on its best patches, one order of ties after the other; pixels, not tokens."""
    count, drops = max(1, int(share * 49 + 0.5)), []
    for draw in range(draws):
        chance = np.random.default_rng(draw).permutation(49)
        best = sorted(range(49), key=lambda k: (-scores[k], chance[k]))[:count]
        y = torch.zeros_like(x)
        for row, column in (divmod(k, 7) for k in best):
            here = np.s_[:, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            y[here] = x[here]
        before, after = (cosine(clip.image(z[None]), text).item() for z in (x, y))
        drops.append(100 * max(0, before - after))
    return np.array(drops)


def test_corrected_drop_by_hand(clip):
    pixels, ids = golden.inputs()
    scores = torch.rand(4, 7, 7, generator=torch.Generator().manual_seed(3))
    words = [torch.rand(len(i)) for i in ids]
    got = nib.confidence(clip, nib.explanation(clip, pixels, ids, scores, words), "corrected")
    for b in range(2):
        by_hand = [slow(clip, pixels[b], clip.encode_text(ids[b : b + 1]), scores[b].flatten(), share)[0]
                   for share in SHARES]
        np.testing.assert_allclose(got.loc[b, [f"image_drop_{n}" for n in (5, 10, 25, 50)]].tolist(), by_hand, atol=2e-3)
        assert got.image_drop[b] == pytest.approx(np.mean(by_hand), abs=2e-3)


def test_what_ties_is_a_mean_over_orders_that_differ_from_pair_to_pair(clip, monkeypatch):
    monkeypatch.setattr("nib_utils.measures.confidence.DRAWS", 30)
    pixels, ids = golden.inputs()
    flat = torch.ones(4, 7, 7), [torch.ones(len(i)) for i in ids]
    ex = nib.explanation(clip, pixels, ids, *flat)
    got = nib.confidence(clip, ex, "corrected")
    for x, text, mean in zip(pixels[:2], clip.encode_text(ids), got.image_drop_25):
        drops = slow(clip, x, text[None], torch.ones(49), 0.25, 30)
        assert abs(mean - drops.mean()) < 3 * drops.std() * (2 / 30) ** 0.5 and drops.std() > 0.1
    seeds = chances(ex)
    assert len(set(seeds)) == 4
    assert len({tuple(row) for row in ranks([torch.ones(49)] * 4, seeds).tolist()}) == 4
    turned = nib.explanation(clip, pixels.flip(0), ids[::-1], flat[0], flat[1][::-1])
    np.testing.assert_allclose(nib.confidence(clip, turned, "corrected")[::-1], got, atol=1e-3)


def test_a_pixel_map_is_averaged_over_the_patches(clip):
    pixels, ids = golden.inputs()
    maps, words = map(torch.as_tensor, golden.random_maps()[:1]), golden.random_maps()[1]
    maps = next(maps)
    patches = maps.view(4, 7, 32, 7, 32).mean((2, 4))
    fine, coarse = (nib.confidence(clip, nib.explanation(clip, pixels, ids, m, words), "corrected")
                    for m in (maps, patches))
    pd.testing.assert_frame_equal(fine, coarse, atol=1e-3)


def test_the_best_words_are_kept_at_their_places(clip):
    ids = [torch.tensor([tiny.SOS, 320, 1000, 2000, 3000, 4000, tiny.EOS])]
    pixels, scores = golden.inputs()[0][:1], [torch.tensor([9.0, 0.1, 0.9, 0.2, 0.8, 0.5, 9.0])]
    got = nib.confidence(clip, nib.explanation(clip, pixels, ids, torch.rand(1, 7, 7), scores, scores=True), "corrected")
    zeroed = torch.tensor([1.0, 0, 1, 0, 1, 1, 1])  # of five words, half are three
    tokens = clip.text.parts["vocabulary"][ids[0]] * zeroed[:, None] + clip.text.parts["positions"][:7]
    after = clip.text.finish(clip.text.pre(tokens[None]), 0, torch.tensor([6]))
    image, caption = clip.encode_image(pixels), clip.encode_text(ids)
    drop = 100 * (cosine(image, caption) - cosine(image, after)).clamp(min=0)
    assert got.text_drop_50[0] == pytest.approx(drop.item(), abs=1e-3)


def test_a_caption_of_one_word_keeps_it_and_changes_by_nothing(clip):
    pixels, ids = golden.inputs()
    ids = [i[[0, 1, -1]] for i in ids[:3]] + ids[3:]
    maps = torch.rand(4, 224, 224), [torch.rand(len(i)) for i in ids]
    got = nib.confidence(clip, nib.explanation(clip, pixels, ids, *maps), protocol="corrected")
    assert not got.loc[:2, ["text_drop", "text_increase"]].to_numpy().any()


def test_batches_do_not_matter(clip):
    ex = golden_maps(clip)
    for protocol in ("published", "corrected"):
        whole, parts = (nib.confidence(clip, ex, protocol, batch_size=b) for b in (4, 3))
        for column, found in whole.items():  # a share of a cosine near zero says as much of rounding as of the cosine
            drop = whole[column.removesuffix("_relative")]
            before = (drop / found).fillna(1).clip(0, 1) if column.endswith("_relative") else 1
            np.testing.assert_allclose(before * found, before * parts[column], atol=1e-4)


def test_relative_drop_is_a_share_of_what_there_was():
    before, after = torch.tensor([0.5, 0.2, 0.4, 0.0, -0.1]), torch.tensor([0.4, 0.3, -0.2, -0.3, -0.3])
    got = change("text", before, after)
    np.testing.assert_allclose(got["text_drop"], [10, 0, 60, 30, 20], rtol=1e-5)
    np.testing.assert_allclose(got["text_drop_relative"], [20, 0, 150, 0, 0], rtol=1e-5)
    assert got["text_increase"].tolist() == [0, 100, 0, 0, 0]


def test_published_drop_and_increase_are_those_of_grad_cam(clip):
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence

    pixels, ids = golden.inputs()
    maps, words = golden.random_maps()
    given = dict(input_tensor=pixels, cams=maps, model=clip.image,
                 targets=[lambda feature, text=text: cosine(feature, text) for text in clip.encode_text(ids)])
    drop, increase = DropInConfidence()(**given), IncreaseInConfidence()(**given)
    before = cosine(clip.encode_image(pixels), clip.encode_text(ids)).numpy()
    got = nib.confidence(clip, golden_maps(clip, maps, words), protocol="published")
    assert (drop > 0).any() and (increase > 0).any()
    np.testing.assert_allclose(got.image_drop, 100 * drop, atol=1e-3)
    np.testing.assert_array_equal(got.image_increase, 100 * increase)
    np.testing.assert_allclose(got.image_drop_relative, 100 * drop / before.clip(1e-9) * (before > 0), rtol=1e-3)


def test_the_published_protocol_is_what_separate_readings_give(clip):
    pixels, ids = golden.inputs()
    maps, words = golden.random_maps()
    image, text = clip.encode_image(pixels), clip.encode_text(ids)
    after = torch.cat([clip.image(dim_pixels(x[None], m[None])) for x, m in zip(pixels, torch.from_numpy(maps))])
    drop = (cosine(image, text) - cosine(after, text)).clamp(min=0)
    for explained in (clip, nib.wrap(clip.model)):  # features that are known, and those read anew
        got = nib.confidence(clip, golden_maps(explained, maps, words), "published")
        np.testing.assert_allclose(got.image_drop / 100, drop, atol=1e-6)


@pytest.mark.parametrize("protocol, embedded", [("published", [4]), ("corrected", [4, 4])])
def test_what_was_explained_is_not_read_again(clip, protocol, embedded, monkeypatch):
    ex, seen = golden_maps(clip), []
    monkeypatch.setattr(clip.image, "tokens", lambda x, tokens=clip.image.tokens: seen.append(len(x)) or tokens(x))
    nib.confidence(clip, ex, protocol)
    assert seen == embedded  # the masked pictures only; or the patches, and those of the mean colour


def test_what_cannot_be_measured_is_refused(clip):
    with pytest.raises(ValueError, match="protocol is 'best'; pass one of 'published', 'corrected'"):
        nib.confidence(clip, golden_maps(clip), "best")
    with pytest.raises(ValueError, match="no text maps; explain without only="):
        nib.confidence(clip, nib.explain(clip, *golden.inputs(), "chefer", only="image"))
