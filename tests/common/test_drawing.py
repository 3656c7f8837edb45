"""Relevance drawn: zero shows the picture as it is, words keep their letters or give their number."""
import matplotlib.pyplot as plt
import numpy as np
import pytest

from nib_utils.common.drawing import SCALE, colour_bar, legible, show_map, show_picture, show_words


@pytest.fixture
def axis():
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def test_the_picture_keeps_its_colours_where_nothing_is_said(axis):
    heat = np.array([[0, 0.5, 1], [0, -0.5, -1.0]])
    picture = np.full((2, 3, 3), 90, np.uint8)
    show_map(axis, heat, picture)
    below, above = (image.get_array() for image in axis.images)
    assert (below == picture).all() and (above[:, 0, 3] == 0).all() and above[0, 2, 3] > above[0, 1, 3] > 0
    assert above[0, 2, 0] > above[0, 2, 2] and above[1, 2, 0] < above[1, 2, 2]  # red for, blue against
    np.testing.assert_allclose(above[0, :, 3], above[1, :, 3])


def test_the_outline_is_where_half_of_the_strongest_is_passed(axis):
    """Also of a map that nowhere speaks against."""
    show_map(axis, np.tile(np.linspace(0, 1, 11), (3, 1)), np.zeros((3, 11, 3), np.uint8), outline=True)
    lines = [path.vertices for path in axis.collections[0].get_paths() if len(path.vertices)]
    assert len(lines) == 1 and np.allclose(lines[0][:, 0], 5)


def test_zero_is_white_and_the_scale_is_said_once(axis):
    assert min(plt.get_cmap(SCALE)(0.5)[:3]) > 0.96
    show_map(axis, np.zeros((2, 2)))
    assert axis.images[0].get_clim() == (-1, 1)
    colour_bar(axis.figure, [axis])
    bar = axis.figure.axes[-1]
    assert bar.get_xlim() == (-1, 1) and "white says nothing" in bar.get_xlabel()


def test_words_are_coloured_by_their_shares_and_one_that_is_not_known_says_so(axis):
    show_words(axis, [("a", 0.0, True), ("cat", 1.0, True), ("dog", 0.9, False)], numbers=True)
    none, most, near = (patch.get_facecolor() for patch in axis.patches)
    assert min(none[:3]) > 0.96 and most[0] > 2 * most[2] and np.abs(np.subtract(most, near)).max() < 0.3
    assert [text.get_text() for text in axis.texts] == ["a\n+0.00", "cat\n+1.00", "dog ?\n+0.90"]
    assert [patch.get_linestyle() for patch in axis.patches][2] == "--"


def test_many_words_stay_inside(axis):
    show_words(axis, [("word", 0.1, True)] * 75)
    assert min(patch.get_y() for patch in axis.patches) >= 0 and max(p.get_x() + p.get_width() for p in axis.patches) <= 1


def test_what_no_font_can_write_becomes_a_number():
    assert legible("heart", "[1]")[0] == "heart" and legible("القطة", "[1]")[0] == "القطة"
    assert legible("\ue000\uf8fe", "[7]")[0] == "[7]"
    for word, said in (("\ue000\uf8fe", 1), ("heart", 0), ("[1]", 0)):
        _, axis = plt.subplots()
        show_words(axis, [(word, -0.001, True)], numbers=True)
        texts = [text.get_text() for text in axis.texts]
        assert sum("no font here has its letters" in text for text in texts) == said and texts[0].endswith("\n+0.00")
        plt.close()


@pytest.mark.parametrize("seen, patches", [(None, 0), ((0, 0, 40, 30), 0), ((5, 0, 30, 30), 5)])
def test_the_frame_of_what_is_seen(axis, seen, patches):
    show_picture(axis, np.zeros((30, 40, 3), np.uint8), seen)
    assert len(axis.patches) == patches
    if patches:
        assert axis.patches[-1].get_bbox().bounds == seen and axis.get_xlim() == (-0.5, 39.5)
