"""Several pictures or ready pixels as one tensor: what is taken, what is refused, what is said and how often."""
import warnings

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image

import nib_utils as nib
from nib_utils.clip.pixels import read_pixels


@pytest.fixture
def clip():
    return nib.wrap(tiny.openai(layers=2, image_size=64))


def noise(w: int, h: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8))


def said(call) -> list[str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in told]


def test_arrays_series_generators_and_lists_are_the_same(clip, tmp_path):
    noise(64, 64).save(tmp_path / "p.png")
    path = str(tmp_path / "p.png")
    expected = clip.pixels([path, path])
    for given in (np.array([path, path]), pd.Series([path, path]), (p for p in (path, path)), (path, noise(64, 64)),
                  expected, expected.numpy(), list(expected), list(expected.numpy()), expected.double(),
                  np.ascontiguousarray(expected.numpy()[::-1])[::-1], {1: path, 2: path}.values()):
        assert torch.equal(clip.pixels(given), expected)
    flipped = expected.numpy()[..., ::-1]  # a view that torch does not take
    assert torch.equal(clip.pixels(flipped), expected.flip(-1)) and torch.equal(clip.pixels(list(flipped)), expected.flip(-1))


@pytest.mark.parametrize("given, kind, words", [
    ({"a.jpg", "b.jpg"}, TypeError, "images are a set, which has no order"),
    ({"a": 1}, TypeError, "images are a dict, of which it is not clear what to take; pass a list of PIL images or paths"),
    (pd.DataFrame({"image": ["a.jpg"]}), TypeError, "images are a DataFrame, of which it is not clear"),
    (b"a.jpg", TypeError, "images are b'a.jpg'; pass a list of PIL images or paths"),
    (5, TypeError, "images are 5; pass a list"), (np.array("a.jpg"), TypeError, "images are array.*; pass a list"),
    (np.zeros((2, 64, 64, 3), np.uint8), ValueError, r"pixels have shape \(2, 64, 64, 3\).*pass PIL images"),
    (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), ValueError, "pixels are uint8, so they are not normalised; pass PIL images, as Image.fromarray makes them"),
    (torch.zeros(1, 3, 64, 64, dtype=torch.bool), ValueError, "pixels are bool, so they are not normalised"),
    (np.zeros((1, 3, 64, 64), complex), ValueError, "pixels are complex128, so they are not normalised"),
    (torch.rand(2, 3, 64, 64) * 255, ValueError, "pixels of image 0 run from 0.* to 25.*, as no normalised picture does"),
    (torch.full((1, 3, 64, 64), -7.0), ValueError, "pixels of image 0 run from -7 to -7, as no"),
    (torch.full((1, 3, 64, 64), float("-inf")), ValueError, "pixels of image 0 contain NaN or infinity"),
    (torch.full((1, 3, 64, 64), 1e300, dtype=torch.float64), ValueError, "run from 1e.300 to 1e.300")])
def test_what_is_no_normalised_picture_is_refused(clip, given, kind, words):
    with pytest.raises(kind, match=words) as caught:
        clip.pixels(given)
    assert "\n" not in str(caught.value)


def test_the_picture_that_is_not_normalised_is_named(clip):
    x = tiny.pixels(3)
    x[2] = 200
    with pytest.raises(ValueError, match="pixels of image 2 run from 200 to 200"):
        clip.pixels(x)


def test_black_and_white_and_perturbed_pictures_are_taken_without_a_word(clip):
    ends = [clip.preprocess(Image.new("RGB", (64, 64), colour)) for colour in ("black", "white", "blue")]
    ends += [*tiny.pixels(2), torch.zeros(3, 64, 64), torch.ones(3, 64, 64)]
    assert not said(lambda: clip.pixels(torch.stack(ends)))


def test_pixels_of_0_to_1_are_told_once(clip):
    x = torch.rand(2, 3, 64, 64)
    (text,) = said(lambda: (clip.pixels(x), clip.pixels(x / 1.01), clip.pixels(tiny.pixels(1))))
    assert "pixels lie in 0..1, as if they were not normalised" in text


def test_a_crop_is_told_once_with_how_much_and_how_many(clip):
    pictures = [noise(64, 64), noise(80, 60), noise(66, 64), noise(60, 120)]
    (text,) = said(lambda: clip.pixels(pictures))
    assert text.startswith("2 of 4 pictures are not seen whole: the model's centre crop takes up to 50% (of image 3); pad or cut")
    assert not said(lambda: (clip.pixels(pictures), nib.explain(clip, pictures, ["a dog"] * 4)))  # it was said
    assert said(lambda: clip.pixels(pictures[:2]))[0].startswith("1 of 2 pictures")
    assert not said(lambda: clip.pixels([noise(64, 64), noise(66, 64)]))


def test_of_many_parts_the_first_crop_is_told(clip):
    wide, other, square = noise(120, 60), noise(60, 90), noise(64, 64)
    parts = lambda *parts: said(lambda: [clip.pixels([part], i) for i, part in enumerate(parts)])
    (text,) = parts(square, wide, other)
    assert "1 of 1 pictures" in text and "50% (of image 1)" in text
    (again,) = parts(square, other)  # another run of parts
    assert "33% (of image 1)" in again


def test_a_model_that_squashes_crops_nothing(clip):
    assert not said(lambda: read_pixels([noise(120, 60)], type(clip.preprocess)((64, 64), squash=True)))


def test_pixels_that_need_a_gradient_may_be_handed_in(clip):
    assert nib.explain(clip, tiny.pixels(1).requires_grad_(), ["a dog"]).image.isfinite().all()
