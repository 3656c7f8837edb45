"""Counterfactual pictures: another where the changed object is or was, legal, untrue to the caption, the same again."""
import numpy as np
import pandas as pd
import pytest

import nib_utils as nib
from nib_utils.data.world import counterfactual, hard_scenes, scenes
from nib_utils.data.world.pairs import pair_rng

N, SEED = 30, 4


@pytest.fixture(scope="module", params=["shapes", "shapes-hard"])
def world(request):
    return request.param


@pytest.fixture(scope="module")
def pairs(world):
    return nib.load_pairs(world, n=N, seed=SEED)


@pytest.fixture(scope="module")
def changes(world):
    return nib.counterfactuals(world, n=N, seed=SEED)


def shown(pair) -> list[scenes.Thing]:
    return [*pair.objects, *pair.get("unnamed", [])]


def masks_of(pair) -> np.ndarray:
    return np.concatenate([pair.masks, pair.get("unnamed_masks", pair.masks[:0])])


def test_a_picture_differs_only_where_the_changed_object_is_or_was(pairs, changes):
    for change in changes.itertuples():
        pair = pairs.loc[change.pair]
        old, new = np.asarray(pair.image), np.asarray(change.image)
        differs = (old != new).any(-1)
        assert old.shape == new.shape and differs.any() and not differs[~(change.mask | change.mask_after)].any()
        assert (change.mask == masks_of(pair)[change.object]).all() and change.caption == pair.caption


def test_one_thing_is_changed_and_the_caption_is_no_longer_true(pairs, changes):
    for change in changes.itertuples():
        pair = pairs.loc[change.pair]
        before, i, words = shown(pair), change.object, pair.caption.replace(",", " ,").split()
        if change.kind == "object":
            assert change.shown == before[:i] + before[i + 1 :] and not change.mask_after.any()
            assert pd.isna(change.word) and pd.isna(change.becomes)
            assert [words[k] for k in change.places] == (list(before[i]) if i < len(pair.objects) else [])
        else:
            assert change.shown == [*before[:i], before[i]._replace(**{change.kind: change.becomes}), *before[i + 1 :]]
            assert change.becomes != change.word == getattr(before[i], change.kind)
            assert [words[k] for k in change.places] == [change.word] and nib.word_objects(pair)[change.places[0], i]
        assert len(set(change.shown)) == len(change.shown)
        assert i >= len(pair.objects) or not set(pair.objects) <= set(change.shown)


def test_every_kind_is_there_and_only_what_breaks_the_rules_is_left_out(world, pairs, changes):
    named = pairs.objects.map(len).sum()
    counts = changes.kind.value_counts()
    assert set(counts.index) == set(counterfactual.KINDS)
    assert counts["colour"] == counts["texture"] == named  # some value is always free
    assert world == "shapes-hard" or counts["object"] == counts["shape"] == named
    assert counts["object"] >= 0.95 * sum(len(shown(pair)) for _, pair in pairs.iterrows())
    assert 0.5 * named < counts["size"] < named
    assert not changes.duplicated(["pair", "object", "kind"]).any()


def test_sizes_that_are_left_out_would_touch_or_leave_the_picture(changes):
    """What is larger than before keeps its middle, lies within the picture, and every object is still seen."""
    sizes = changes[changes.kind == "size"]
    assert set(sizes.becomes) == {"small", "large"}
    for change in sizes.itertuples():
        small, large = sorted((change.mask, change.mask_after), key=np.sum)
        assert 2 < large.sum() / small.sum() < 4.5
        edge = np.concatenate([large[0], large[-1], large[:, 0], large[:, -1]])
        assert not edge.any()


def test_more_values_are_other_values_and_the_first_stay(world, changes):
    many, keys = nib.counterfactuals(world, n=6, seed=SEED, values=7), ["pair", "object", "kind"]
    few = changes[changes.pair < 6].dropna(subset="becomes").set_index(keys).becomes
    for key, part in many.dropna(subset="becomes").groupby(keys):
        assert part.becomes.is_unique and part.word.iloc[0] not in set(part.becomes) and few[key] == part.becomes.iloc[0]
    most = many.groupby(keys).size().groupby("kind").max()
    assert most.to_dict() == {"object": 1, "size": 1, "texture": 2, "colour": 7, "shape": 7}


def test_the_same_again_whatever_n_and_start(world, changes):
    few, later = nib.counterfactuals(world, n=2, seed=SEED), nib.counterfactuals(world, n=2, seed=SEED, start=5)
    for part, start in ((few, 0), (later, 5)):
        whole = changes[changes.pair.isin([start, start + 1])]
        assert part[["kind", "object", "word", "becomes"]].to_numpy().tolist() == \
               whole[["kind", "object", "word", "becomes"]].to_numpy().tolist()
        assert all(a.tobytes() == b.tobytes() for a, b in zip(part.image, whole.image))
    other = nib.counterfactuals(world, n=2, seed=SEED + 1)
    assert [i.tobytes() for i in other.image] != [i.tobytes() for i in few.image]


@pytest.mark.parametrize("module", [scenes, hard_scenes])
def test_what_is_drawn_is_legal_and_painted_twice_the_same(module):
    for i in range(60):
        scene = module.draw_scene(pair_rng(1, i))
        ground = scene.plan.ground.copy()
        again = module.paint(scene.plan)
        assert module.is_legal(scene.plan) and (scene.plan.ground == ground).all()
        assert (again.pixels == scene.pixels).all() and (again.shown_masks == scene.shown_masks).all()


def test_plans_that_touch_or_leave_or_repeat_are_not_legal():
    star, ring = scenes.Thing("small", "plain", "red", "star"), scenes.Thing("large", "plain", "red", "ring")
    lay = lambda *placed: scenes.Plan(np.zeros((224, 224, 3), np.uint8), [scenes.Placed(*p, 0, 0, 0) for p in placed])
    assert scenes.is_legal(lay((star, 32, 32), (ring, 112, 112)))
    assert not scenes.is_legal(lay((star, 32, 32), (ring, 96, 96)))  # 64 apart, and 66 are needed
    assert not scenes.is_legal(lay((star, 16, 32)))
    assert not scenes.is_legal(lay((star, 32, 32), (star, 128, 128)))


def test_hard_plans_that_hide_too_much_or_their_own_colour_are_not_legal():
    square, disc = scenes.Thing("large", "plain", "red", "square"), scenes.Thing("small", "plain", "blue", "circle")
    plan = lambda *placed: scenes.Plan(np.zeros((240, 240, 3), np.uint8),
                                       [hard_scenes.Placed(*p, 0, 0, layer, 0, True) for layer, p in enumerate(placed)])
    legal = lambda *placed: hard_scenes.is_legal(plan(*placed))
    assert legal((square, 120, 120), (disc, 120, 120)) and not legal((disc, 120, 120), (square, 120, 120))
    assert not legal((square, 120, 120), (disc._replace(colour="red"), 120, 120))
    assert legal((square, 60, 60), (disc._replace(colour="red"), 180, 180)) and not legal((square, 20, 120))
    below, disc_seen = hard_scenes.paint(plan((square, 120, 120), (disc, 120, 120))).masks
    alone = hard_scenes.paint(plan((square, 120, 120))).masks[0]  # what lay behind the disc is seen again
    assert (alone == below | disc_seen).all() and disc_seen.any()


@pytest.mark.parametrize("given, says", [(dict(name="cc"), "name is 'cc'; pass one of 'shapes', 'shapes-hard'"),
                                         (dict(n=0), "n is 0"), (dict(seed=-1), "seed is -1"), (dict(values=0), "values is 0"),
                                         (dict(objects=9), "objects is 9"), (dict(start=-2), "start is -2")])
def test_what_cannot_be_drawn_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        nib.counterfactuals(**dict(name="shapes", n=1) | given)
