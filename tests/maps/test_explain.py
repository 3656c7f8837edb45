"""`explain`: what it returns, and one clear sentence for everything that is wrong with what it was given."""
import numpy as np
import pytest
import tiny
import torch
from PIL import Image

import nib_utils as nib
from nib_utils.maps.maps import minmax


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=4, image_size=64))


@pytest.fixture
def picture(tmp_path):
    """A JPEG on disk, wider than high."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    file = tmp_path / "picture.jpg"
    Image.fromarray(noise).save(file)
    return file


def test_pictures_paths_and_pixels_say_the_same(clip, picture):
    from_path = nib.explain(clip, [picture], ["a dog"])
    from_pil = nib.explain(clip, [Image.open(picture)], ["a dog"])
    from_pixels = nib.explain(clip, clip.preprocess(Image.open(picture))[None], ["a dog"])
    for other in (from_pil, from_pixels, nib.explain(clip, str(picture), "a dog")):
        assert torch.equal(from_path.image, other.image) and torch.equal(from_path.similarity, other.similarity)


def test_strings_and_ids_say_the_same(clip, picture):
    from clip import tokenize

    text = "a small dog, running"
    from_text = nib.explain(clip, [picture], [text])
    padded = tokenize([text])
    for ids in (padded, [padded[0].numpy()], [padded[0][: len(from_text.text[0])]]):
        other = nib.explain(clip, [picture], ids)
        assert other.tokens == from_text.tokens and torch.equal(from_text.text[0], other.text[0])
    assert from_text.tokens == [["[SOS]", "a", "small", "dog", ",", "running", "[EOS]"]]
    assert from_text.captions == [text]


def test_series_generators_and_arrays_of_strings_are_lists(clip, picture):
    import pandas as pd

    texts = ["a dog", "two cats", "a bird"]
    expected = nib.explain(clip, [picture] * 3, texts)
    for given in (pd.Series(texts), (t for t in texts), np.array(texts)):
        ex = nib.explain(clip, pd.Series([picture] * 3), given)
        assert ex.captions == texts and torch.equal(ex.image, expected.image)


@pytest.mark.parametrize("method", ["nib", "m2ib", "nib_held"])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_explain_where_gradients_are_off(clip, mode, method):
    with mode():
        inside = nib.explain(clip, tiny.pixels(1), tiny.captions((5,)), method)
    assert torch.equal(inside.image, nib.explain(clip, tiny.pixels(1), tiny.captions((5,)), method).image)


def test_a_clip_and_an_explanation_print_on_one_line(clip):
    ex = nib.explain(clip, tiny.pixels(1), tiny.captions((5,)))
    assert len(repr(clip)) < 200 and "2x2 patches" in repr(clip)
    assert repr(ex) == "<Explanation of 1 pairs by nib>"
    with pytest.raises(ValueError, match="no image maps; explain without only="):
        nib.explain(clip, tiny.pixels(1), tiny.captions((5,)), only="text").plot()


def test_shapes_and_ranges(clip):
    ex = nib.explain(clip, tiny.pixels(3), tiny.captions((5, 9, 4)), batch_size=2)
    assert ex.similarity.shape == (3,) and ex.image.shape == (3, 64, 64) and ex.image_scores.shape == (3, 2, 2)
    assert [len(t) for t in ex.text] == [len(t) for t in ex.text_scores] == [len(t) for t in ex.tokens] == [5, 9, 4]
    for m in [*ex.image, *ex.text]:
        assert m.min() == 0 and m.max() == 1
    features = clip.encode_image(tiny.pixels(3)), clip.encode_text(tiny.captions((5, 9, 4)))
    torch.testing.assert_close(ex.similarity, torch.cosine_similarity(*features), atol=1e-6, rtol=0)


def test_one_modality_alone_is_the_same_map(clip):
    both = nib.explain(clip, tiny.pixels(2), tiny.captions((5, 9)))
    image, text = (nib.explain(clip, tiny.pixels(2), tiny.captions((5, 9)), only=kind) for kind in ("image", "text"))
    assert torch.equal(both.image, image.image) and not image.text
    for one, alone in zip(both.text, text.text):  # the image's feature came by the way of its own explanation
        torch.testing.assert_close(one, alone, atol=1e-6, rtol=0)
    assert not text.image.numel()


def test_minmax_of_a_constant_is_one_where_positive_else_zero():
    x = torch.tensor([[1.0, 2, 3], [2, 2, 2], [0, 0, 0], [-1, -1, -1]])
    assert minmax(x).tolist() == [[0, 0.5, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_plot_shows_every_pair(clip, picture):
    ex = nib.explain(clip, [picture] * 2, ["a dog", "an odd caption: $x_1$ <b> & 77 % of _it_"])
    figure = ex.plot()
    assert len(figure.axes) == 2 * 3 + 1  # three panels a pair, and the colour bar
    words = [text.get_text().split("\n")[0] for text in figure.axes[5].texts]
    assert words == [word.text for word in ex.words(1)] and {"$", "<"} < set(words) and "[SOS]" not in words


def test_controls_are_what_they_say(clip):
    pixels, ids = tiny.pixels(1), tiny.captions((5,))
    assert (nib.explain(clip, pixels, ids, "all_ones").image == 1).all()
    centre = nib.explain(nib.wrap(tiny.openai(image_size=96)), tiny.pixels(1, (96, 96)), ids, "centre")
    assert centre.image_scores[0].argmax() == 4 and centre.text[0].argmax() == 2


def bad(tmp_path, good):
    """name -> (arguments that are wrong, the error's kind, words of its sentence)."""
    truncated, text_file = tmp_path / "cut.jpg", tmp_path / "notes.jpg"
    truncated.write_bytes(good.read_bytes()[:2000])
    text_file.write_text("not a picture")
    nan = tiny.pixels(2)
    nan[1, 0, 3, 3] = torch.nan
    long = "dog " * 78
    return {
        "missing image": (dict(images=[good, tmp_path / "none.jpg"], texts=["a", "b"]), FileNotFoundError, "image 1: there is no file at '.*none.jpg'"),
        "truncated JPEG": (dict(images=[truncated]), ValueError, "image 0: '.*cut.jpg' cannot be read as an image .*truncated"),
        "not an image": (dict(images=[text_file]), ValueError, "image 0: '.*notes.jpg' cannot be read"),
        "no images": (dict(images=[], texts=[]), ValueError, "no images were given"),
        "image of a strange type": (dict(images=[3]), TypeError, "image 0: expected a PIL image or a path, got int"),
        "empty caption": (dict(texts=["  "]), ValueError, "caption 0 is empty"),
        "caption of no letters": (dict(texts=[np.array([tiny.SOS, tiny.EOS])]), ValueError, "caption 0 has no tokens"),
        "long caption": (dict(texts=[long]), ValueError, "caption 0 has 80 tokens .* at most 77; shorten it or pass truncate=True"),
        "caption of a strange type": (dict(texts=[3]), TypeError, "caption 0 is a int"),
        "ids without SOS": (dict(texts=[np.array([320, tiny.EOS])]), ValueError, "caption 0: ids must begin with SOS"),
        "ids without EOS": (dict(texts=[np.array([tiny.SOS, 320])]), ValueError, "caption 0: .* contain EOS"),
        "ids out of range": (dict(texts=[np.array([tiny.SOS, 99999, tiny.EOS])]), ValueError, "must lie in 0..49407"),
        "ids that are no integers": (dict(texts=[np.array([0.5, 1.5])]), ValueError, "1-D array of integers"),
        "NaN pixels": (dict(images=nan, texts=["a", "b"]), ValueError, "pixels of image 1 contain NaN"),
        "wrong shape": (dict(images=torch.zeros(1, 3, 32, 32)), ValueError, r"shape \(1, 3, 32, 32\), .* takes \(B, 3, 64, 64\)"),
        "bytes": (dict(images=torch.zeros(1, 3, 64, 64, dtype=torch.uint8)), ValueError, "pixels are uint8, so they are not normalised"),
        "truncated picture": (dict(images=[Image.open(truncated)]), ValueError, "image 0: the picture cannot be read"),
        "one image without its batch": (dict(images=torch.zeros(3, 64, 64)), ValueError, r"takes \(B, 3, 64, 64\)"),
        "pixels of two shapes": (dict(images=[torch.zeros(3, 64, 64), torch.zeros(3, 32, 32)]), ValueError, "different shapes"),
        "different number": (dict(images=[good, good]), ValueError, "2 images and 1 captions were given"),
        "no pixels": (dict(images=[Image.new("RGB", (0, 0))]), ValueError, "image 0: the picture has no pixels"),
        "images of nothing": (dict(images=None), TypeError, "images are None; pass a list"),
        "captions of nothing": (dict(texts=5), TypeError, "captions are 5; pass a list"),
        "the end mark in words": (dict(texts=["a <|endoftext|> b"]), ValueError, "caption 0 spells the mark that ends one"),
        "a name for a model": (dict(clip="mini"), TypeError, "the first argument is a str; pass load_clip"),
        "a list of methods": (dict(method=["nib"]), ValueError, r"no method is called \['nib'\]"),
        "unknown method": (dict(method="lime"), ValueError, "no method is called 'lime'; there are nib, m2ib"),
        "unknown option": (dict(stepz=3), TypeError, r"nib has no option 'stepz' \(did you mean 'steps'\?\); it has layer, steps, branch"),
        "mistyped option": (dict(steps="ten"), TypeError, "nib: option 'steps' takes an integer, not 'ten'"),
        "fractional steps": (dict(steps=2.5), TypeError, "takes an integer, not 2.5"),
        "boolean steps": (dict(steps=True), TypeError, "takes an integer, not True"),
        "no steps": (dict(steps=0), ValueError, "steps is 0; it takes at least 1"),
        "no copies": (dict(method="m2ib", copies=0), ValueError, "copies is 0; it takes at least 1"),
        "mistyped beta": (dict(method="m2ib", beta="big"), TypeError, "option 'beta' takes a number, not 'big'"),
        "seeds of another number": (dict(method="m2ib", seed=[1, 2]), ValueError, "2 seeds for 1 pairs"),
        "unknown branch": (dict(branch="maybe"), ValueError, "takes 'constant' or 'recomputed'"),
        "layer beyond the last": (dict(layer=4), ValueError, "layer is 4; the image tower has blocks 0..3"),
        "unknown text_target": (dict(text_target="all"), ValueError, "it takes 'own' or 'batch'"),
        "unknown modality": (dict(only="sound"), ValueError, "it takes 'image', 'text' or None"),
        "no batch": (dict(batch_size=0), ValueError, "batch_size is 0; it takes at least 1"),
    }


def test_bad_input_gets_one_clear_sentence(tmp_path, clip, picture, subtests):
    for name, (change, kind, words) in bad(tmp_path, picture).items():
        with subtests.test(name):
            with pytest.raises(kind, match=words) as caught:
                nib.explain(**dict(clip=clip, images=[picture], texts=["a dog"]) | change)
            assert "\n" not in str(caught.value)


def test_a_long_caption_is_cut_when_asked(clip, picture):
    ex = nib.explain(clip, [picture], ["dog " * 90], truncate=True)
    assert len(ex.text[0]) == 77 and ex.tokens[0][-1] == "[EOS]"


def test_a_ribbon_is_read_without_being_enlarged(clip):
    ribbon = Image.effect_mandelbrot((8, 60_000), (-2, -1, 1, 1), 20)
    middle = ribbon.crop((0, 29_920, 8, 30_080))
    assert clip.preprocess(ribbon).shape == (3, 64, 64)
    torch.testing.assert_close(clip.preprocess(ribbon), clip.preprocess(middle))


def test_one_word_is_enough(clip, picture):
    ex = nib.explain(clip, [picture], ["dog"])
    assert ex.tokens == [["[SOS]", "dog", "[EOS]"]] and ex.text[0].max() == 1


def ramp(mode: str) -> Image.Image:
    """Sixteen bits a pixel, 300 x 257: every seventeenth grey from black to white, and some twice."""
    greys = np.resize(np.arange(0, 65536, 17), (257, 300))
    return Image.frombytes(mode, (300, 257), greys.astype({"I;16B": ">u2", "I": "<i4"}.get(mode, "<u2")).tobytes())


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I"])
def test_deep_grey_pictures_keep_their_greys(clip, tmp_path, mode):
    deep = ramp(mode)
    eight = Image.fromarray(np.rint(np.resize(np.arange(0, 65536, 17), (257, 300)) / 257).astype(np.uint8))
    expected = clip.preprocess(eight)
    assert expected.std() > 0.5 and torch.equal(clip.preprocess(deep), expected)
    file = tmp_path / ("deep.png" if mode == "I;16" else "deep.tif")
    deep.save(file)
    assert torch.equal(clip.pixels([deep])[0], expected) and torch.equal(clip.pixels([file])[0], expected)


def test_a_dark_picture_of_sixteen_bits_stays_dark_and_small_integers_are_eight_bits(clip):
    greys = np.full((64, 64), 200)
    as_eight, as_sixteen = (Image.fromarray(np.full((64, 64), v, np.uint8)) for v in (200, 1))
    assert torch.equal(clip.preprocess(Image.fromarray(greys.astype(np.uint16))), clip.preprocess(as_sixteen))
    assert torch.equal(clip.preprocess(Image.fromarray(greys.astype(np.int32))), clip.preprocess(as_eight))


def test_pictures_whose_scale_nobody_knows_are_named(clip, tmp_path):
    floating, wide = Image.new("F", (8, 8), 0.5), Image.new("I", (8, 8), 65536)
    floating.save(tmp_path / "depth.tif")
    with pytest.raises(ValueError, match="^image 1: '.*depth.tif' has floating point pixels.*; save it with 8 or 16 bits"):
        clip.pixels([ramp("I;16"), tmp_path / "depth.tif"])
    with pytest.raises(ValueError, match="^image 0: the picture has floating point pixels.*; save it with 8 or 16 bits"):
        clip.pixels([floating])
    with pytest.raises(ValueError, match="^the picture has floating point pixels"):
        clip.preprocess(floating)
    for picture, range_ in ((wide, "65536 to 65536"), (Image.new("I", (8, 8), -1), "-1 to -1")):
        with pytest.raises(ValueError, match=f"^image 0: the picture has pixels of {range_}, which 16 bits do not hold"):
            clip.pixels([picture])


def test_a_huge_picture_is_named(clip, picture, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="^image 0: '.*picture.jpg' cannot be read .*5400 pixels.* 200 .*; replace") as caught:
        nib.explain(clip, [picture], ["a dog"])
    assert ".)" not in str(caught.value)
