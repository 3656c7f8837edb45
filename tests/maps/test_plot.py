"""The figure of an explanation: what stands in its panels."""
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

import nib_utils as nib


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def wide(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "wide.png")
    return tmp_path / "wide.png"


@pytest.mark.filterwarnings("ignore")
def test_a_cropped_picture_is_shown_whole_with_its_frame(clip, wide):
    ex = nib.explain(clip, [wide, Image.open(wide).crop((0, 0, 60, 60))], ["a star", "a star"], "random")
    picture, seen = ex.whole(0)
    assert picture.shape == (60, 90, 3) and seen == (15, 0, 60, 60) and ex.whole(1)[1] is None
    figure = ex.plot()
    assert figure.axes[0].images[0].get_array().shape == (60, 90, 3)
    assert "framed: what is seen" in figure.axes[0].get_title() and "framed" not in figure.axes[3].get_title()
    crop = Image.fromarray(picture).crop((15, 0, 75, 60))
    inside = np.s_[:, 8:-8, 8:-8]  # at its edges a picture that was cut before is resized from fewer pixels
    torch.testing.assert_close(clip.pixels([crop])[0][inside], ex.pixels[0][inside], atol=0.05, rtol=0)
    wide.unlink()
    assert ex.whole(0)[0].shape == (224, 224, 3) and ex.plot(rows=[0]).axes[0].images[0].get_array().shape == (224, 224, 3)


def test_pixels_are_shown_as_the_model_sees_them(clip):
    scene = nib.load_pairs("shapes", n=1).iloc[0]
    ex = nib.explain(clip, clip.pixels([scene.image]), [scene.caption], "random")
    assert (ex.whole()[0] == ex.pictures[0]).all() and ex.whole()[1] is None


def test_the_map_lies_over_the_picture_or_beside_it(clip):
    scene = nib.load_pairs("shapes", n=1).iloc[0]
    ex = nib.explain(clip, [scene.image], [scene.caption])
    over, beside = ex.plot().axes[1], ex.plot(beside=True).axes[1]
    assert (over.images[0].get_array() == ex.pictures[0]).all() and len(over.images) == 2
    np.testing.assert_allclose(beside.images[0].get_array(), ex.heat())
    assert ex.heat().shape == (224, 224) and ex.heat().abs().max() == 1
    low, high = ex.image_scores[0].aminmax()
    assert low < 0 < high and ex.heat().min() < 0  # what speaks against is not lifted to zero
    assert np.corrcoef(ex.heat().flatten(), ex.image[0].flatten())[0, 1] > 0.98


@pytest.mark.filterwarnings("ignore:mini has never learnt")
def test_the_figure_names_the_words_that_the_model_cannot_know(clip):
    scene = nib.load_pairs("shapes", n=1).iloc[0]
    ex = nib.explain(clip, [scene.image] * 2, ["a red zebra", "a red star"])
    _, _, unknown, _, _, known, _ = ex.plot().axes
    assert "mini never learnt it" in unknown.get_title() and "never" not in known.get_title()
    said = [text.get_text() for text in unknown.texts]
    assert said == [f"{word.text}{'' if word.known else ' ?'}\n{word.share:+.2f}" for word in ex.words(0)]
    assert said[2].startswith("zebra ?")


def test_labels_do_not_overlap(clip):
    """Of the longest caption of four objects, at the width of a page."""
    pairs = nib.load_pairs("shapes", n=4, objects=4)
    figure = nib.explain(clip, [pairs.image[0]], [pairs.caption[0]]).plot()
    figure.canvas.draw()
    axis = figure.axes[2]
    boxes = [text.get_window_extent() for text in axis.texts]
    grounds = [patch.get_window_extent() for patch in axis.patches]
    for box, ground in zip(boxes, grounds):
        assert ground.x0 <= box.x0 and box.x1 <= ground.x1 and ground.y0 - 1 <= box.y0 and box.y1 <= ground.y1 + 1
