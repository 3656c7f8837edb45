"""The measures of a planted fault on maps made by hand, against an AUC by hand, and on a model that reads the mark."""
import numpy as np
import pytest
import scipy
import torch

import nib_utils as nib
from nib_utils.clip.similarity import cosine
from nib_utils.data.world.shortcut import marked_pairs
from nib_utils.studies.copies import copy_of
from nib_utils.studies.shortcut import REFERENCE, height, seen


@pytest.fixture(scope="module")
def pairs():
    return marked_pairs(5, seed=11)


def test_a_map_that_lights_the_mark_has_one_and_one_that_ignores_it_chance():
    rng = np.random.default_rng(0)
    maps = list(rng.random((200, 49)))
    lit, dark = ([np.append(scores[:-1], value) for scores in maps] for value in (2, -2))
    found = seen(lit, dark, [48] * 200)
    assert (found["rank"] == 1).all() and (found.rank_before == 49).all() and found.top.all()
    assert (found.detection == 1).all()
    corner = seen(lit, lit, [48] * 200)  # it lights the corner whatever the model: no credit
    assert (corner["rank"] == 1).all() and (corner.detection == 0.5).all()
    blind = seen(maps, list(rng.random((200, 49))), [48] * 200)
    assert 0.43 < blind.detection.mean() < 0.57 and 0 < blind.top.mean() < 0.1
    flat = seen([np.ones(49)] * 3, [np.ones(49)] * 3, [48] * 3)
    assert (flat["rank"] == 25).all() and (flat.detection == 0.5).all() and not flat.top.any()
    assert (seen(dark, lit, [48] * 200).share == 0).all() and seen([np.array([1.0, -2, 3])], [np.zeros(3)], [2]).share[0] == 0.75


def test_detection_is_the_auc_and_its_parts_have_its_spread():
    rng = np.random.default_rng(1)
    after, before = list(rng.random((30, 9)) + np.eye(9)[8] * 0.3), list(rng.random((30, 9)))
    high, low = ([height(scores, 8) for scores in maps] for maps in (after, before))
    expected = scipy.stats.mannwhitneyu(high, low).statistic / 30**2
    assert seen(after, before, [8] * 30).detection.mean() == pytest.approx(expected)
    draws = []
    for _ in range(400):
        i = rng.integers(30, size=30)
        draws.append(scipy.stats.mannwhitneyu(np.array(high)[i], np.array(low)[i]).statistic / 30**2)
    assert seen(after, before, [8] * 30).detection.sem() == pytest.approx(np.std(draws), rel=0.2)


def test_mini_takes_the_mark_for_no_colour_more_than_for_another(clip, pairs):
    table = nib.cue_effect(clip, pairs)
    assert len(table) == 5 * 8 and (table.kind == "cue").sum() == (table.kind == "own").sum() == 5
    assert not table.believed.any() and (table.effect == table.marked - table.clean).all()
    row = table[(table.pair == 2) & (table.colour == "red")].iloc[0]
    by_hand = cosine(clip.encode_image([pairs.image[2]]), clip.encode_text([pairs.caption[2]]))
    assert row.marked == pytest.approx(by_hand.item(), abs=1e-6)


def test_leaving_the_marked_patch_out_is_the_picture_with_a_grey_patch(clip, pairs):
    two = pairs.iloc[:2].reset_index(drop=True)
    rows, mean = nib.reveal(clip, clip, two, REFERENCE)
    assert (rows.detection == 0.5).all() and np.array_equal(mean["planted"], mean["before"])
    assert mean["before"].shape == (7, 7)
    pixels, text = clip.pixels([two.image[0]]), clip.encode_text([two.caption[0]])
    cosines = []
    for k in range(49):
        grey = pixels.clone()
        grey[:, :, 32 * (k // 7) : 32 * (k // 7 + 1), 32 * (k % 7) : 32 * (k % 7 + 1)] = 0
        cosines.append(cosine(clip.encode_image(grey), text).item())
    assert rows["rank"][0] == 1 + np.sum(np.array(cosines[:-1]) < cosines[-1])


def test_what_one_model_sees_and_another_does_not_is_found(clip):
    """A real red square where the mark would be, under `mini` and a copy to which that patch is grey."""
    pairs, blind = marked_pairs(4, seed=12, objects=1), copy_of(clip, "blind")
    for image in pairs.image:
        image.paste((214, 39, 40), (196, 196, 220, 220))
    pairs["caption"] = [f"{row.true_caption} and a small plain red square" for row in pairs.itertuples()]
    shown = torch.ones(224, 224)
    shown[192:, 192:] = 0
    tokens = blind.image.tokens
    blind.image.tokens = lambda x: tokens(x * shown)
    for method in (REFERENCE, "attn_lrp"):
        rows, mean = nib.reveal(clip, blind, pairs, method)
        assert (rows.detection == 1).all() and rows["rank"].max() <= 5, method
        assert rows.word_detection.mean() > 0.7 and mean["planted"].argmax() == 48, method
    rows, _ = nib.reveal(clip, blind, pairs, "random")
    assert (rows.detection == 0.5).all()  # the same chance under both models
    with pytest.raises(ValueError, match="caption 1, 'a star', does not say 'red'; pass marked_pairs"):
        nib.reveal(clip, blind, pairs.assign(caption=["a red star", "a star", "a red ring", "a star"]), "random")
