"""Shapley values of many pairs: those of the method, taken up again where they were broken off."""
import numpy as np
import pytest
import tiny

import nib_utils as nib
from nib_utils.measures import games
from nib_utils.measures.games import one_phrase_each, shapley_table, split_halves


@pytest.fixture(scope="module")
def small():
    return nib.wrap(tiny.openai(layers=2, image_size=224))


def test_they_are_the_methods_scores(small, pairs):
    table, few = shapley_table(small, pairs.head(3), samples=120, seed=5), pairs.head(3)
    ex = nib.explain(small, list(few.image), list(few.caption), "shapley", samples=120, seed=5)
    for i in range(3):
        part = table[table.pair == i].set_index("kind").value
        np.testing.assert_allclose(part["image"], ex.image_scores[i].flatten(), atol=1e-6)
        np.testing.assert_allclose(part["text"], ex.text_scores[i][1:-1], atol=1e-6)


def test_an_interrupted_run_loses_no_pair(small, pairs, tmp_path, monkeypatch):
    whole, calls, once = shapley_table(small, pairs.head(3), samples=120), [], games.estimates

    def broken(tower, *rest):
        calls.append(tower.kind)
        if len(calls) == 6:  # in the middle of the third pair
            raise KeyboardInterrupt
        return once(tower, *rest)

    monkeypatch.setattr(games, "estimates", broken)
    with pytest.raises(KeyboardInterrupt):
        shapley_table(small, pairs.head(3), samples=120, cache=tmp_path)
    got = shapley_table(small, pairs.head(3), samples=120, cache=tmp_path)
    assert calls[6:] == ["image", "text"] and got[["pair", "kind", "place"]].equals(whole[["pair", "kind", "place"]])
    np.testing.assert_allclose(got[["value", "first", "second"]], whole[["value", "first", "second"]], atol=1e-9)


def test_split_halves_by_hand(small, pairs):
    table = shapley_table(small, pairs.head(2), samples=120)
    found = split_halves(table)
    one = table[(table.pair == 1) & (table.kind == "image")]
    r = np.corrcoef(one["first"], one["second"])[0, 1]
    error = np.sqrt(((one["first"] - one["second"]) ** 2).mean()) / 2
    np.testing.assert_allclose(found.loc[("image", 1)].to_numpy(), [error, r, 2 * r / (1 + r)])


def test_one_phrase_of_each_scene():
    scenes = nib.load_pairs("shapes", n=30, seed=1)
    chosen = one_phrase_each(scenes)
    assert chosen.scene.is_unique and set(chosen.scene) == {i for i, p in enumerate(scenes.phrases) if len(p) > 1}
    places = [scenes.phrases[row.scene].index(row.caption) for row in chosen.itertuples()]
    assert set(places) >= {0, 1, 2}
    assert all((scenes.masks[row.scene][place] == row.mask).all() for row, place in zip(chosen.itertuples(), places))
    again = one_phrase_each(nib.load_pairs("shapes", n=20, seed=1))
    assert list(again.caption) == list(chosen.caption)[: len(again)]
