"""Layers swept: each number is the measure's own, and the choice is the highest mean."""
import pandas as pd
import pytest

import nib_utils as nib
from nib_utils.studies.layers import MEASURES, at_layer, best, sweep


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=4, seed=1)


def test_a_row_is_what_each_measure_says_at_these_layers(clip, pairs):
    rows = at_layer(clip, pairs, "nib", image=10, text=9, steps=2)
    assert rows.columns.tolist() == ["scene", *MEASURES] and rows.scene.tolist() == [0, 1, 2, 3]
    images, texts = list(pairs.image), list(pairs.caption)
    image, text = (nib.explain(clip, images, texts, "nib", layer=layer, steps=2) for layer in (10, 9))
    assert rows.image_gain.tolist() == pytest.approx(nib.curves(clip, image).image_gain.tolist(), abs=1e-5)
    assert rows.text_gain.tolist() == pytest.approx(nib.curves(clip, text).text_gain.tolist(), abs=1e-5)
    assert rows.word_precision.tolist() == nib.word_accuracy(text, pairs.content).average_precision.tolist()
    for scene, precision in zip(pairs.itertuples(), rows.average_precision):
        if len(scene.phrases) == 1:
            assert pd.isna(precision)
            continue
        one = pd.DataFrame({"image": [scene.image], "phrase": [scene.phrases[0]], "mask": [scene.masks[0]]})
        assert precision == pytest.approx(nib.localize(clip, one, "nib", layer=10, steps=2).average_precision[0], abs=1e-4)
    assert rows.average_precision.notna().any()


def test_the_choice_is_the_highest_mean_gain_of_each_tower(clip, pairs):
    rows = sweep(clip, pairs, "nib", [9, 10], steps=1)
    assert rows.layer.tolist() == [9] * 4 + [10] * 4 and rows.scene.tolist() == [0, 1, 2, 3] * 2
    made = pd.DataFrame({"layer": [3, 3, 5, 5], "image_gain": [0.1, 0.3, 0.0, 0.5], "text_gain": [1.0, 0.0, 0.2, 0.2]})
    assert best(made) == {"image": 5, "text": 3}
