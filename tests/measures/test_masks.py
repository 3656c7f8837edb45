"""Masks that fit their maps, boxes made into masks, and what the model's crop leaves of them."""
import re

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import nib_utils as nib
from nib_utils.measures import localization


def test_boxes_are_masks_of_the_pixels_whose_centres_they_hold():
    masks = nib.box_masks([(1, 0, 3, 2), (0.6, 1.5, 2.4, 9)], 4, 5)
    assert masks.dtype == torch.bool and masks.shape == (2, 4, 5)
    assert masks[0].nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert masks[1].nonzero().tolist() == [[y, 1] for y in (1, 2, 3)]
    assert nib.iou(masks.float(), masks).tolist() == [1, 1]


@pytest.mark.parametrize("work, words", [
    (lambda: nib.iou(torch.ones(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)), "mask 0 is empty"),
    (lambda: nib.average_precision(torch.ones(1, 4, 4), torch.ones(1, 4, 4)), "the masks of torch.bool"),
    (lambda: nib.iou(torch.ones(1, 4, 4), torch.ones(2, 4, 4, dtype=torch.bool)), r"masks \(2, 4, 4\) of torch.bool"),
    (lambda: nib.iou(torch.full((1, 4, 4), torch.nan), torch.ones(1, 4, 4, dtype=torch.bool)), "map 0 contains NaN"),
    (lambda: nib.iou(torch.ones(1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool), keep="half"), "keep is 'half'"),
    (lambda: nib.pointing(torch.ones(11, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)), r"maps \(11, 4, 4\) and masks \(1, 4, 4\)"),
    (lambda: nib.pointing(torch.full((1, 4, 4), torch.nan), torch.ones(1, 4, 4, dtype=torch.bool)), "map 0 contains NaN"),
    (lambda: nib.pointing(torch.ones(1, 4, 4), torch.ones(1, 4, 4)), "of torch.float32 do not fit"),
    (lambda: nib.mass(torch.ones(11, 2, 2), torch.ones(1, 4, 4, dtype=torch.bool)), r"pass \(B, gh, gw\) and \(B, H, W\)"),
    (lambda: nib.mass(torch.ones(2, 2), torch.ones(2, 4, 4, dtype=torch.bool)), r"maps \(2, 2\) and masks \(2, 4, 4\)"),
    (lambda: nib.mass(torch.full((1, 2, 2), torch.nan), torch.ones(1, 4, 4, dtype=torch.bool)), "map 0 contains NaN"),
    (lambda: nib.mass(torch.ones(1, 2, 2), torch.ones(1, 4, 4)), "of torch.float32 do not fit"),
    (lambda: nib.mass(torch.ones(1, 2, 2), torch.zeros(1, 4, 4, dtype=torch.bool)), "mask 0 is empty"),
    (lambda: nib.box_masks([(0, 0, 2, 2), (3, 1, 3, 2)], 4, 4), "box 1, .3.0, 1.0, 3.0, 2.0., holds no pixel"),
])
def test_masks_and_boxes_that_do_not_fit_are_refused(work, words):
    with pytest.raises(ValueError, match=words):
        work()


@pytest.fixture()
def wide():
    """Four phrases of a picture three times as wide as high: the crop removes the first and the third."""
    x = np.arange(300)[None].repeat(100, 0)
    masks = np.stack([x < 90, x < 150, x >= 210, x >= 150])
    image, phrases = Image.new("RGB", (300, 100)), ["a red star", "a blue ring", "a green cross", "a pink square"]
    return nib.phrase_pairs(pd.DataFrame({"image": [image], "phrases": [phrases], "masks": [masks]}))


def test_what_the_crop_removes_is_named_before_anything_is_explained(clip, wide, monkeypatch):
    monkeypatch.setattr(localization, "explain", lambda *a, **o: pytest.fail("something was explained"))
    for phrases, words in (
            (wide, "nothing of the masks of 2 of 4 phrases, first that of row 0, 'a red star'; .* out, as localize does with broken=\"skip\""),
            (wide[1:], "of the masks of 1 of 3 phrases, first that of row 1, 'a green cross'")):
        with pytest.raises(ValueError, match=words):
            nib.localize(clip, phrases, "all_ones")
    for broken in ("raise", "skip"):
        with pytest.raises(ValueError, match="nothing of the masks of 2 of 2 phrases; check them"):
            nib.localize(clip, wide.iloc[[0, 2]], "all_ones", broken=broken)
    with pytest.raises(ValueError, match="broken is 'drop'; pass one of 'raise', 'skip'"):
        nib.localize(clip, wide, "all_ones", broken="drop")


def test_what_the_crop_removes_may_be_left_out(clip, wide):
    with pytest.warns(UserWarning, match="2 of 4 phrases are left out: the model's crop leaves nothing") as told:
        rows = nib.localize(clip, wide, "random", seed=3, broken="skip")
    assert sum("left out" in str(w.message) for w in told) == 1 and told[0].filename == __file__
    whole = nib.localize(clip, wide.iloc[[1, 3]], "random", seed=3, broken="skip")
    assert rows.index.tolist() == [1, 3] and whole.index.tolist() == [0, 1]
    np.testing.assert_array_equal(rows, whole)


def test_masks_of_another_size_or_type_are_refused(clip, pairs, tmp_path):
    phrases = nib.phrase_pairs(pairs).head(3)
    change = lambda mask: phrases.assign(mask=pd.Series([*phrases["mask"][:2], mask], dtype=object))
    name = re.escape(repr(phrases.phrase[2]))
    wrong = rf"row 2, {name}: the mask has shape \(50, 224\), but its picture \(%s\) and the model's input \(224, 224\)"
    for image, size in ((phrases.image[2], "224, 224"), (str(tmp_path / "a.png"), "60, 90"), (tmp_path / "a.png", "60, 90")):
        Image.new("RGB", (90, 60)).save(tmp_path / "a.png")
        given = change(np.ones((50, 224), bool)).assign(image=pd.Series([*phrases.image[:2], image], dtype=object))
        with pytest.raises(ValueError, match=wrong % size):
            nib.localize(clip, given, "all_ones")
    fits = change(np.ones((60, 90), bool)).assign(image=pd.Series([*phrases.image[:2], tmp_path / "a.png"], dtype=object))
    assert nib.localize(clip, fits, "all_ones").mass[2] == pytest.approx(1)
    with pytest.raises(ValueError, match=rf"row 2, {name}: the mask is float64 of shape \(224, 224\); pass bool"):
        nib.localize(clip, change(np.ones((224, 224))), "all_ones")
    with pytest.raises(FileNotFoundError, match="image 2: there is no file at 'none.png'"):
        nib.localize(clip, fits.assign(image=pd.Series([*phrases.image[:2], "none.png"], dtype=object)), "all_ones")
