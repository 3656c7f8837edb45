"""An explanation keeps what it was made from; maps made elsewhere become one."""
from dataclasses import replace

import golden
import numpy as np
import pytest
import torch

import nib_utils as nib


@pytest.fixture(scope="module")
def clip():
    return golden.clip()


def test_it_keeps_what_it_was_made_from(clip):
    pixels, ids = golden.inputs()
    ex = nib.explain(clip, pixels, ids, "chefer")
    torch.testing.assert_close(ex.pixels, pixels)
    assert all(torch.equal(kept, torch.as_tensor(i)) for kept, i in zip(ex.ids, ids)) and len(ex) == 4
    torch.testing.assert_close(ex.features[0], clip.encode_image(pixels))
    torch.testing.assert_close(ex.features[1], clip.encode_text(ids))
    torch.testing.assert_close(ex.similarity, torch.cosine_similarity(*ex.features))
    assert [picture.shape for picture in ex.pictures] == [(224, 224, 3)] * 4


def test_maps_made_elsewhere_measure_as_our_own(clip):
    pixels, ids = golden.inputs()
    ours = nib.explain(clip, pixels, ids, "chefer")
    maps = nib.explanation(clip, pixels, ids, ours.image.numpy(), [m.tolist() for m in ours.text], name="theirs")
    scores = nib.explanation(clip, pixels, ids, ours.image_scores, ours.text_scores, scores=True)
    assert maps.method == "theirs" and scores.method == "mine"
    for theirs in (maps, scores):
        torch.testing.assert_close(theirs.image, ours.image)
        torch.testing.assert_close(theirs.text, ours.text)
        torch.testing.assert_close(theirs.features, ours.features)
        np.testing.assert_allclose(nib.confidence(clip, theirs), nib.confidence(clip, ours), atol=1e-3)


def test_patch_maps_are_stretched_and_left_in_their_range(clip):
    pixels, ids = golden.inputs()
    maps = torch.full((4, 7, 7), 0.25)
    ex = nib.explanation(clip, pixels, ids, maps, [torch.ones(len(i)) for i in ids])
    assert ex.image.shape == (4, 224, 224) and (ex.image == 0.25).all() and torch.equal(ex.image_scores, maps)


def test_another_model_reads_the_same_inputs(clip):
    other = nib.randomised(clip, "image", 2)
    ex = nib.explain(clip, *golden.inputs(), "chefer")
    torch.testing.assert_close(ex.features_of(other)[0], other.encode_image(golden.inputs()[0]))
    assert ex.features_of(clip) is ex.features
    drop = nib.confidence(other, ex, "corrected").image_drop
    assert not np.allclose(drop, nib.confidence(clip, ex, "corrected").image_drop)


@pytest.mark.parametrize("change, words", [
    (dict(image_maps=torch.full((4, 224, 224), 7.0)), "image map 0 runs from 7 to 7; maps lie in 0..1"),
    (dict(image_maps=torch.ones(4, 8, 8)), r"image map 0 has shape \(8, 8\); all must be \(224, 224\), or \(7, 7\)"),
    (dict(image_maps=[torch.ones(224, 224)] * 3 + [torch.ones(7, 7)]), r"image map 3 has shape \(7, 7\)"),
    (dict(text_maps=[torch.ones(5)] * 4), "text map 1 has shape .* 9 tokens"),
    (dict(text_maps=[torch.ones(5)]), "4 pairs and 1 text maps"),
    (dict(image_maps=torch.full((4, 224, 224), torch.nan)), "image map 0 contains NaN"),
    (dict(image_maps=torch.full((4, 7, 7), torch.nan).index_fill(2, torch.tensor([0]), 1), scores=True), "image map 0 contains NaN"),
    (dict(image_maps=torch.arange(196.0).view(4, 7, 7) / 0, scores=True), "image map 0 contains NaN or infinity"),
    (dict(image_maps=None), "image maps are a NoneType"),
    (dict(text_maps=["a cat"] * 4), "text maps are a list that cannot be read as numbers"),
    (dict(images=golden.inputs()[0][:3]), "3 images and 4 captions"),
])
def test_maps_that_do_not_fit_are_refused(clip, change, words):
    pixels, ids = golden.inputs()
    given = dict(images=pixels, texts=ids, image_maps=torch.ones(4, 224, 224),
                 text_maps=[torch.ones(len(i)) for i in ids]) | change
    with pytest.raises(ValueError, match=words):
        nib.explanation(clip, **given)


def test_maps_changed_by_hand_are_checked_too(clip):
    ex = nib.explain(clip, *golden.inputs(), "chefer")
    with pytest.raises(ValueError, match="image map 2 runs from 0 to 2"):
        replace(ex, image=torch.cat([ex.image[:2], 2 * ex.image[2:]]))
