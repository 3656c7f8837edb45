"""Confidence Drop and Increase: the released evaluation to the digit, the corrected one by hand."""
import golden
import numpy as np
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.similarity import cosine
from nib_utils.measures.confidence import change, dim_pixels, keep_pixels, keep_words


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


def test_half_of_the_pixels_is_kept_and_ties_fall_by_patch():
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.random((2, 56, 56)).astype(np.float32))
    maps[1] = 0.3
    kept = keep_pixels(torch.ones(2, 3, 56, 56), maps)
    assert (kept.sum((2, 3)) == 56 * 56 / 2).all()
    assert maps[0][kept[0, 0] == 1].min() > maps[0][kept[0, 0] == 0].max()
    cells = kept[1, 0].view(7, 8, 7, 8).mean((1, 3))
    assert ((cells == 0) | (cells == 1)).sum() == 48  # one patch is split, to reach exactly half


def test_kept_pixels_do_not_depend_on_the_maps_scale(clip):
    x, maps = torch.randn(1, 3, 56, 56), torch.rand(1, 56, 56)
    assert torch.equal(keep_pixels(x, maps), keep_pixels(x, maps**3 / 2))


def test_the_better_half_of_the_words_is_the_caption_without_the_others(clip):
    ids = [torch.tensor([tiny.SOS, 320, 1000, 2000, 3000, 4000, tiny.EOS])]
    after = keep_words(clip.text, ids, [torch.tensor([9.0, 0.1, 0.9, 0.2, 0.8, 0.5, 9.0])], clip.text(pad(ids)))
    by_hand = torch.tensor([[tiny.SOS, 1000, 3000, 4000, tiny.EOS]])
    torch.testing.assert_close(after, clip.text(by_hand))


def test_corrected_drop_and_increase_by_hand(clip):
    pixels, ids = golden.inputs()
    maps = golden.random_maps()
    got = nib.confidence(clip, golden_maps(clip, *maps), protocol="corrected")
    text = clip.encode_text(ids)
    before, after = (cosine(clip.encode_image(x), text) for x in (pixels, keep_pixels(pixels, torch.as_tensor(maps[0]))))
    np.testing.assert_allclose(got.image_drop, 100 * (before - after).clamp(min=0), atol=1e-3)
    assert got.image_increase.tolist() == [100.0 * (a > b) for a, b in zip(after, before)]


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
        np.testing.assert_allclose(whole, parts, atol=1e-3)


def test_relative_drop_is_a_share_of_what_there_was():
    before, after = torch.tensor([0.5, 0.2, 0.4, 0.0, -0.1]), torch.tensor([0.4, 0.3, -0.2, -0.3, -0.3])
    got = change(before, after, "text")
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


def test_both_protocols_are_what_separate_readings_give(clip):
    pixels, ids = golden.inputs()
    maps, words = golden.random_maps()
    image, text = clip.encode_image(pixels), clip.encode_text(ids)
    for protocol, mask in (("published", dim_pixels), ("corrected", keep_pixels)):
        after = torch.cat([clip.image(mask(x[None], m[None])) for x, m in zip(pixels, torch.from_numpy(maps))])
        drop = (cosine(image, text) - cosine(after, text)).clamp(min=0)
        for explained in (clip, nib.wrap(clip.model)):  # features that are known, and those read anew
            got = nib.confidence(clip, golden_maps(explained, maps, words), protocol)
            np.testing.assert_allclose(got.image_drop / 100, drop, atol=1e-6)


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_what_was_explained_is_not_read_again(clip, protocol, monkeypatch):
    ex, seen = golden_maps(clip), []
    monkeypatch.setattr(clip.image, "tokens", lambda x, tokens=clip.image.tokens: seen.append(len(x)) or tokens(x))
    nib.confidence(clip, ex, protocol)
    assert seen == [4]  # the masked pictures only


def test_what_cannot_be_measured_is_refused(clip):
    with pytest.raises(ValueError, match="protocol is 'best'; pass one of 'published', 'corrected'"):
        nib.confidence(clip, golden_maps(clip), "best")
    with pytest.raises(ValueError, match="no text maps; explain without only="):
        nib.confidence(clip, nib.explain(clip, *golden.inputs(), "chefer", only="image"))
