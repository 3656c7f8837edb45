"""Pictures handed in: preprocessed as OpenAI does, upright as their EXIF tag says, named when they cannot be read."""
import re

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

import nib_utils as nib
from nib_utils.clip.pictures import Preprocess, read_image, size_of
from nib_utils.measures.masks import seen

TURNED = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_270}  # what a camera that writes this tag has done to the picture


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=2, image_size=64))


def upright() -> Image.Image:
    """A picture without any symmetry, four wide to three high."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((80, 60))


def tagged(orientation: int, file):
    """The upright picture as a camera held otherwise writes it."""
    picture, exif = upright(), Image.Exif()
    exif[0x0112] = orientation
    if TURNED[orientation] is not None:
        picture = picture.transpose(TURNED[orientation])
    picture.save(file, exif=exif)
    return file


@pytest.mark.parametrize("side", [64, 33])
def test_preprocessing_is_openais(side):
    from clip.clip import _transform

    torch.testing.assert_close(Preprocess((side, side))(upright()), _transform(side)(upright()), atol=1e-6, rtol=0)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_is_obeyed_from_a_path_from_pil_and_by_preprocess(tmp_path, clip, orientation, suffix):
    file = tagged(orientation, tmp_path / f"p.{suffix}")
    expected = clip.preprocess(upright())
    with Image.open(file) as opened:
        assert (np.asarray(read_image(file, "here")) == np.asarray(upright())).all()
        assert torch.equal(clip.pixels([file])[0], expected) and torch.equal(clip.pixels([opened])[0], expected)
        assert torch.equal(clip.preprocess(opened), expected)
        assert torch.equal(clip.pixels([read_image(opened, "here")])[0], expected)  # not turned twice
        assert size_of(file) == size_of(opened) == (60, 80)


@pytest.mark.parametrize("orientation", [3, 6])
def test_masks_fit_the_upright_picture(tmp_path, clip, orientation):
    file, mask = tagged(orientation, tmp_path / "p.png"), np.zeros((60, 80), bool)
    mask[:30, 5:75] = True
    cut = seen(mask, file, "row 0", clip.preprocess)
    assert cut[:32].all() and not cut[32:].any()
    if orientation == 6:
        with pytest.raises(ValueError, match=r"the mask has shape \(80, 60\), but its picture \(60, 80\)"):
            seen(mask.T, file, "row 0", clip.preprocess)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"no exif at all"])
def test_a_broken_tag_is_no_broken_picture(tmp_path, clip, exif):
    upright().save(tmp_path / "p.png", exif=exif)
    assert torch.equal(clip.pixels([tmp_path / "p.png"])[0], clip.preprocess(upright()))
    assert size_of(tmp_path / "p.png") == (60, 80)


def test_a_tag_of_no_orientation_turns_nothing(tmp_path, clip):
    exif = Image.Exif()
    exif[0x0112] = 99
    upright().save(tmp_path / "p.png", exif=exif)
    assert torch.equal(clip.pixels([tmp_path / "p.png"])[0], clip.preprocess(upright()))


def test_a_closed_picture_is_named(tmp_path, clip):
    upright().save(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as lazy:
        pass
    loaded = Image.open(tmp_path / "p.png")
    loaded.load()
    loaded.close()
    for picture in (lazy, loaded):
        with pytest.raises(ValueError, match="^image 1: the picture cannot be read .*; open it again.$"):
            clip.pixels([upright(), picture])


@pytest.mark.parametrize("path", ["x" * 5000 + ".jpg", "a/" * 3000, "zero\0.jpg", "", "."])
def test_paths_that_no_file_can_have(clip, path):
    with pytest.raises(FileNotFoundError, match="^image 0: there is no file at .*; check the path") as caught:
        clip.pixels([path])
    assert len(str(caught.value)) < 300


def test_every_start_of_a_picture_is_refused_in_one_sentence(tmp_path, clip):
    for suffix in ("png", "jpg", "gif", "webp", "bmp", "tif"):
        upright().save(tmp_path / f"whole.{suffix}")
        content = (tmp_path / f"whole.{suffix}").read_bytes()
        for length in (0, 1, 10, 40, len(content) // 2):
            (tmp_path / f"cut.{suffix}").write_bytes(content[:length])
            with pytest.raises(ValueError, match=f"^image 0: '.*cut.{suffix}' cannot be read as an image .*; replace") as caught:
                clip.pixels([tmp_path / f"cut.{suffix}"])
            assert "\n" not in str(caught.value) and not re.search(r"\.\.$|\.\)", str(caught.value))


@pytest.mark.parametrize("size, model, squash, share", [
    ((100, 100), (64, 64), False, 0), ((200, 100), (64, 64), False, 0.5), ((100, 400), (64, 64), False, 0.75),
    ((200, 100), (64, 64), True, 0), ((200, 100), (64, 128), False, 0), ((100, 100), (64, 128), False, 0.5)])
def test_the_share_that_a_crop_takes(size, model, squash, share):
    """Painted white where the crop does not reach: what is left of the black picture has no white."""
    preprocess = Preprocess(model, mean=(0, 0, 0), std=(1, 1, 1), squash=squash)
    assert preprocess.unseen(size) == pytest.approx(share)
    w, h = size
    canvas = np.full((h, w), 255, np.uint8)
    across, down = (1 - share, 1) if w / h > model[1] / model[0] else (1, 1 - share)
    keep_w, keep_h = round(w * across), round(h * down)
    canvas[(h - keep_h) // 2 : (h + keep_h) // 2, (w - keep_w) // 2 : (w + keep_w) // 2] = 0
    inner = preprocess(Image.fromarray(canvas))[:, 3:-3, 3:-3]
    assert inner.max() < 0.02
