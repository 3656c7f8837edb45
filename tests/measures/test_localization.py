"""Pointing, mass, IoU, average precision and localize, on cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image
from sklearn.metrics import average_precision_score

import nib_utils as nib


def test_pointing_is_where_the_highest_pixel_lies():
    maps, masks = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :2, :2] = True
    maps[0, 1, 1], maps[1, 3, 3] = 1, 1  # on the object; beside it; and a map without a preference
    assert nib.pointing(maps, masks).tolist() == [1, 0, 0.25]


def test_mass_is_the_share_of_positive_relevance_on_the_object():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :, :1] = True  # the left quarter: half of each left patch
    scores = torch.tensor([[[3.0, 0], [0, 1]], [[-1.0, -2], [-3, 0]], [[1.0, 1], [1, 1]]])
    assert nib.mass(scores, masks).tolist() == pytest.approx([3 * 0.5 / 4, 0, 0.25])


def test_phrases_of_scenes_with_one_object_are_left_out(pairs):
    phrases = nib.phrase_pairs(pairs)
    expected = [len(p) for p in pairs.phrases if len(p) > 1]
    assert phrases.scene.tolist() == [i for i, p in pairs.phrases.items() for _ in p if len(p) > 1]
    assert len(phrases) == sum(expected) and phrases.objects.min() >= 2
    assert phrases["mask"][0].shape == (224, 224) and phrases["mask"][0].dtype == bool
    assert all(row.phrase in pairs.caption[[i is row.image for i in pairs.image].index(True)] for row in phrases.itertuples())


def test_a_perfect_map_points_at_its_object_and_an_inverted_one_does_not(pairs):
    masks = torch.from_numpy(np.stack(nib.phrase_pairs(pairs)["mask"].to_list()))
    assert (nib.pointing(masks.float(), masks) == 1).all() and (nib.mass(masks.float(), masks) > 0.999).all()
    assert (nib.pointing(1 - masks.float(), masks) == 0).all() and (nib.mass(1 - masks.float(), masks) == 0).all()


def test_iou_by_hand():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :2, :2] = True
    maps = torch.zeros(3, 4, 4)
    maps[0, :2, 1:3] = 1  # two of four pixels on the object
    maps[1, 0, :2] = 1  # two on the object, and fourteen that tie for two more places: 2/14 of the two left
    got = nib.iou(maps, masks)
    assert got.tolist() == pytest.approx([2 / 6, (2 + 4 / 14) / (8 - 2 - 4 / 14), 1 / 7])
    assert nib.iou(maps, masks, keep=0.5).tolist() == pytest.approx([2 / 6, 2 / 4, 0])
    assert nib.iou(maps, masks, keep=0.0).tolist() == pytest.approx([4 / 16] * 3)


def test_average_precision_by_hand():
    masks = torch.tensor([[[True, False], [True, False]]])
    assert nib.average_precision(torch.tensor([[[0.9, 0.8], [0.7, 0.1]]]), masks).item() == pytest.approx((1 + 2 / 3) / 2)
    assert nib.average_precision(torch.tensor([[[0.9, 0.9], [0.7, 0.1]]]), masks).item() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert nib.average_precision(torch.ones(1, 2, 2), masks).item() == 0.5


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for values in (rng.random((5, 30, 40)), rng.integers(0, 6, (5, 30, 40)) / 5.0):  # without and with equal pixels
        masks = rng.random((5, 30, 40)) < np.array([0.01, 0.1, 0.5, 0.9, 1.0])[:, None, None]
        theirs = [average_precision_score(mask.ravel(), m.ravel()) for mask, m in zip(masks, values)]
        got = nib.average_precision(torch.from_numpy(values), torch.from_numpy(masks), batch_size=2)
        np.testing.assert_allclose(got, theirs, rtol=1e-6)


def test_a_perfect_map_has_all_and_no_map_less_than_the_inverted_one(pairs):
    masks = torch.from_numpy(np.stack(nib.phrase_pairs(pairs)["mask"].to_list()))[:6]
    assert (nib.iou(masks.float(), masks) == 1).all() and (nib.iou(masks.float(), masks, keep=0.5) == 1).all()
    assert (nib.average_precision(masks.float(), masks) == 1).all()
    chance = torch.rand(masks.shape)
    inverted = chance - 2.0 * masks  # every pixel of the object below all others
    area = masks.flatten(1).sum(1)
    least = [sum(i / (224 * 224 - a + i) for i in range(1, a + 1)) / a for a in area.tolist()]
    assert (nib.iou(inverted, masks) == 0).all()
    np.testing.assert_allclose(nib.average_precision(inverted, masks), least, rtol=1e-4)
    assert (nib.average_precision(chance, masks) > nib.average_precision(inverted, masks)).all()


def test_localize_scores_every_phrase(clip, pairs):
    phrases = nib.phrase_pairs(pairs)
    ones = nib.localize(clip, phrases, "all_ones")
    area = np.array([m.mean() for m in phrases["mask"]])
    np.testing.assert_allclose(ones.pointing, area, rtol=1e-5)
    np.testing.assert_allclose(ones.mass, area, rtol=1e-5)
    np.testing.assert_allclose(ones.average_precision, area, rtol=1e-5)
    np.testing.assert_allclose(ones.iou, area / (2 - area), rtol=1e-4)  # a share of `area` of each of the two
    ex = nib.explain(clip, list(phrases.image), list(phrases.phrase), "random", only="image", seed=4)
    rows = nib.localize(clip, phrases, "random", seed=4)
    masks = torch.from_numpy(np.stack(phrases["mask"].to_list()))
    assert rows.columns.tolist() == ["scene", "pointing", "mass", "iou", "average_precision"]
    assert rows.scene.tolist() == phrases.scene.tolist()
    np.testing.assert_allclose(rows.drop(columns="scene"), np.stack([nib.pointing(ex.image, masks), nib.mass(ex.image_scores, masks),
                                               nib.iou(ex.image, masks), nib.average_precision(ex.image, masks)], 1))


def test_localize_brings_masks_to_the_pixels_of_the_model(pairs):
    """A picture's own size, a mixture of sizes, and masks already cropped, on a model that reads 64 x 64."""
    small = nib.wrap(tiny.openai(layers=2, image_size=64))
    phrases = nib.phrase_pairs(pairs.head(6))
    half = lambda mask: np.asarray(Image.fromarray(mask).resize((64, 64), Image.Resampling.NEAREST))
    exact = [half(mask) for mask in phrases["mask"]]
    mixed = [cut if i % 2 else mask for i, (cut, mask) in enumerate(zip(exact, phrases["mask"]))]
    ex = nib.explain(small, list(phrases.image), list(phrases.phrase), "random", only="image", seed=4)
    masks = torch.from_numpy(np.stack(exact))
    by_hand = np.stack([nib.pointing(ex.image, masks), nib.mass(ex.image_scores, masks), nib.iou(ex.image, masks),
                        nib.average_precision(ex.image, masks)], 1)
    for given in (list(phrases["mask"]), exact, mixed):
        rows = nib.localize(small, phrases.assign(mask=pd.Series(given, dtype=object)).drop(columns="scene"), "random", seed=4)
        assert rows.columns.tolist() == ["pointing", "mass", "iou", "average_precision"]
        np.testing.assert_allclose(rows, by_hand)
    wide = pairs.head(1).assign(image=[Image.new("RGB", (300, 100))], phrases=[["a red star"] * 2])
    left = np.arange(300)[None].repeat(100, 0) < 150
    cut = nib.localize(small, nib.phrase_pairs(wide.assign(masks=[np.stack([left, ~left])])), "all_ones")
    np.testing.assert_allclose(cut.mass, [0.5, 0.5])  # the crop leaves the middle, half of it on each side


def test_localize_refuses_what_is_no_question_of_images(clip, pairs):
    phrases = nib.phrase_pairs(pairs)
    for only in ("text", "image"):
        with pytest.raises(ValueError, match=f"only is '{only}', but localize always explains the image alone"):
            nib.localize(clip, phrases, "all_ones", only=only)
    with pytest.raises(TypeError, match="the first argument is a str; pass load_clip"):
        nib.localize("mini", phrases, "nib")


def test_the_middle_scores_what_a_map_of_the_middle_should(clip, pairs):
    ex = nib.explain(clip, list(pairs.image[:1]), list(pairs.caption[:1]), "centre")
    everywhere, middle = torch.ones(1, 224, 224, dtype=torch.bool), torch.zeros(1, 224, 224, dtype=torch.bool)
    middle[:, 96:128, 96:128] = True  # the middle patch
    assert nib.mass(ex.image_scores, everywhere).item() == pytest.approx(1)
    assert 1 / 49 < nib.mass(ex.image_scores, middle).item() < 0.2 and nib.pointing(ex.image, middle).item() == 1
