"""`shapes-hard` and `mini-hard`: the same everywhere, exact masks, true captions, false ones, training that resumes."""
import hashlib
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

import nib_utils as nib
from nib_utils.data.world import hard_scenes, train, train_hard
from nib_utils.data.world import scenes as world
from nib_utils.data.world.hard_pairs import hard_pairs
from nib_utils.data.world.scenes import SHAPES, Thing, is_held_out
from nib_utils.loading import mini
from nib_utils.studies.accuracy import choose_others

SMALL = dict(steps=4, batch_size=4)


@pytest.fixture(scope="module")
def pairs():
    return hard_pairs(80, seed=3)


@pytest.fixture(scope="module")
def scenes():
    return [hard_scenes.draw_scene(np.random.default_rng([4, i])) for i in range(120)]


@pytest.fixture
def few_lessons(monkeypatch):
    """Where nothing depends on how well the concept head reads, it learns from a few captions."""
    monkeypatch.setattr(train_hard, "LESSONS", 32)


def things_of(caption: str) -> set[Thing]:
    return {Thing(*phrase.split()[1:]) for phrase in caption.replace(" and ", ", ").split(", ")}


def test_scenes_are_the_same_everywhere():
    digest = hashlib.sha256()
    for i in range(8):
        scene = hard_scenes.draw_scene(np.random.default_rng([7, i, 1]), held_out=bool(i % 2))
        digest.update(scene.pixels.tobytes() + scene.shown_masks.tobytes() + scene.caption.encode())
    assert digest.hexdigest() == "718cb1544e9c74dd29cc4497065fbb7eeed9063b67a5451b29b72b27684fa03e"


def test_first_pairs_do_not_depend_on_n(pairs):
    few, later = hard_pairs(3, seed=3), hard_pairs(2, seed=3, start=5)
    for part, start in ((few, 0), (later, 5)):
        for (_, a), (_, b) in zip(part.iterrows(), pairs.iloc[start:].iterrows()):
            assert a.image.tobytes() == b.image.tobytes() and (a.masks == b.masks).all()
            assert a.drop(["image", "masks", "unnamed_masks"]).equals(b.drop(["image", "masks", "unnamed_masks"]))


def test_masks_are_the_pixels_that_each_object_shows(scenes):
    """Under each mask there are two colours, the object's own up to jitter and its dark; elsewhere is the ground."""
    for scene in scenes:
        masks = scene.shown_masks
        assert masks.dtype == bool and masks.shape == (len(scene.shown), 240, 240) and masks.sum(0).max() == 1
        for thing, mask in zip(scene.shown, masks):
            values = np.unique(scene.pixels[mask].astype(int), axis=0)
            bright = values[values.sum(1).argmax()]
            assert len(values) == 1 if thing.texture == "plain" else len(values) <= 2
            assert abs(bright - np.array(world.COLOURS[thing.colour])).max() <= 0.1 * 255, thing


def test_every_object_stays_visible_and_what_overlaps_differs_in_colour(scenes):
    hidden = []
    for scene in scenes:
        for thing, mask in zip(scene.shown, scene.shown_masks):
            whole = [hard_scenes.outline(thing.shape, hard_scenes.RADIUS[thing.size], turn).sum() for turn in range(hard_scenes.TURNS)]
            hidden.append(1 - mask.sum() / np.mean(whole))
    assert max(hidden) < 1 - hard_scenes.VISIBLE + 0.02  # outlines differ by a few pixels with their turn
    assert 0.15 < np.mean(np.array(hidden) > 0.03) < 0.5


def test_grounds_are_loud_and_coloured():
    grounds = np.stack([hard_scenes.ground(np.random.default_rng([9, i])) for i in range(80)]).astype(float)
    deviation = grounds.std((1, 2))  # (80, 3), clipping takes some
    assert 0.65 < (deviation.mean(1) > 17).mean() < 0.95 and 40 < deviation.max() < 90
    assert np.abs(np.diff(grounds, axis=-1)).mean() > 15


def test_centres_lie_on_a_lattice_twice_as_fine_as_the_patches(scenes):
    at = np.array([[p.y, p.x] for scene in scenes for p in scene.plan.placed])
    assert not (at % hard_scenes.LATTICE).any() and 2 * hard_scenes.LATTICE == train_hard.PATCH
    assert all((np.unique(column // hard_scenes.LATTICE) == np.arange(3, 18)).all() for column in at.T)


@pytest.mark.parametrize("radius", hard_scenes.RADIUS.values())
def test_no_turn_makes_one_shape_of_another(radius):
    every = {shape: [hard_scenes.outline(shape, radius, turn) for turn in range(hard_scenes.TURNS)] for shape in SHAPES}
    for shape, turns in every.items():
        assert all(not (m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any()) for m in turns)
        for other in SHAPES[: SHAPES.index(shape)]:
            for a, b in product(turns[:1], every[other]):
                assert (a & b).sum() / (a | b).sum() < 0.87, (shape, other)


def test_half_of_the_scenes_show_what_is_not_said(pairs):
    counts = pairs["unnamed"].map(len)
    assert set(counts) == {0, 1, 2} and 0.35 < (counts > 0).mean() < 0.65
    assert set(pairs["objects"].map(len)) == {1, 2, 3, 4}
    for _, row in pairs.iterrows():
        assert row["unnamed_masks"].shape == (len(row["unnamed"]), 240, 240)
        assert len({*row["objects"], *row["unnamed"]}) == len(row["objects"]) + len(row["unnamed"])


def test_captions_are_true_and_wrong_captions_are_false(pairs):
    for _, row in pairs.iterrows():
        shown = {*row["objects"], *row["unnamed"]}
        assert things_of(row["caption"]) == set(row["objects"])
        assert row["phrases"] == [thing.phrase for thing in row["objects"]]
        assert len(set(row["distractors"])) == 25
        assert not any(things_of(text) <= shown for text in row["distractors"] + row["swapped"])
        assert not {word for thing in shown for word in thing} & set(row["absent"])


def test_captions_of_other_scenes_that_are_true_of_this_one_are_not_wrong():
    red, blue = Thing("small", "plain", "red", "star"), Thing("large", "dotted", "blue", "ring")
    table = pd.DataFrame({"caption": ["red", "blue", "both"], "objects": [[red], [blue], [red, blue]],
                          "unnamed": [[blue], [], []]})
    with pytest.raises(ValueError, match="too few different captions"):
        choose_others(np.random.default_rng(0), table, 0, 1)
    assert choose_others(np.random.default_rng(0), table, 1, 2).count("blue") == 0


def test_held_out_triples_are_named_in_testing_and_never_seen_in_training(pairs, scenes):
    assert all(any(map(is_held_out, things)) for things in pairs["objects"])
    assert not any(is_held_out(thing) for scene in scenes for thing in scene.shown)


def test_training_never_says_that_what_it_does_not_show_is_wrong(scenes):
    """Neither a wrong caption nor a label of 0 tells that a triple which is kept for testing does not occur."""
    _, shown, _, named = train.batch(np.random.default_rng(0), 40, 3, 4, hard_scenes.draw_scene, train_hard.GRID,
                                     unseen=False)
    assert not any(is_held_out(thing) for things in named for thing in things)
    own, wrong = named[: len(shown)], named[len(shown) :]
    assert len(wrong) == 3 * len(own) and all(set(a) != set(b) for a, b in zip(own * 3, wrong))
    usual = train.batch(np.random.default_rng(0), 40, 3, 4)[3]
    assert any(is_held_out(thing) for things in usual for thing in things)  # as `mini` was trained
    told, labels = train.told(shown), train.labels(shown)
    assert (told[labels > 0] == 1).all()
    for things, row in zip(shown, told):
        for thing, shape in product(things, SHAPES):
            other = thing._replace(shape=shape)
            taught = row[train.PAIR_INDEX["colour", other.colour, "shape", shape]]
            occurs = any((t.colour, t.shape) == (other.colour, shape) for t in things)
            if is_held_out(other) and not occurs:
                assert taught == 0
    assert 0.8 < told.mean() < 0.95  # most is taught


def test_an_interrupted_training_goes_on_as_if_unbroken(few_lessons, tmp_path, monkeypatch):
    whole, log = train_hard.train_hard(tmp_path / "whole", **SMALL)
    batch, calls = train.batch, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return batch(*arguments, **options)

    monkeypatch.setattr(train, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_hard.train_hard(tmp_path / "broken", save_every=2, **SMALL)
    resumed, log2 = train_hard.train_hard(tmp_path / "broken", **SMALL)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        torch.testing.assert_close(a, b, msg=name)
    pd.testing.assert_frame_equal(log.drop(columns="seconds"), log2.drop(columns="seconds"))
    mini.save(resumed.state_dict(), list(train.word_ids().values()), tmp_path / "weights.safetensors")
    assert nib.load_clip(str(tmp_path / "weights.safetensors")).image.grid == (10, 10)


def test_the_last_third_is_contrastive_alone(few_lessons, monkeypatch, tmp_path):
    seen = {}

    def fit(folder, chosen, model, heads, terms, save_every, warmup):
        for step in (0, 2, 4):
            parts = terms(step)
            seen[step] = {name for name, value in parts.items() if value.requires_grad}
            row, = torch.autograd.grad(sum(parts.values()), model.token_embedding.weight, allow_unused=True)
            assert (row is None) == (step < 4)  # till then the text tower is mini's

    monkeypatch.setattr(train, "fit", fit)
    train_hard.train_hard(tmp_path, steps=6, batch_size=2)
    assert seen[4] == {"contrastive"} and seen[0] == {"contrastive", "image_labels", "text_labels", "patch_labels"}


def test_the_concept_head_begins_with_what_mini_says():
    words = train.word_ids()
    model, heads = train_hard.build(words)
    things = [[world.random_thing(rng) for _ in range(2)] for rng in map(np.random.default_rng, range(1000, 1050))]
    _, text = train.towers(model, borrow=lambda p: p)
    v = train.encode_text(text, *train.tokenize([world.caption(t) for t in things], list(words)))
    said = heads["concept"](16 * torch.nn.functional.normalize(v, dim=-1)) > 0
    assert (said == train.labels(things).bool()).float().mean() > 0.99


def test_patch_labels_lie_on_what_is_visible(scenes):
    scene = next(scene for scene in scenes if scene.unnamed)
    said = train.patch_labels(scene, 10).reshape(10, 10, -1)
    cover = scene.shown_masks.reshape(-1, 10, 24, 10, 24).mean((2, 4))
    assert ((said.sum(-1) > 0) == (cover > 0.15).any(0)).all()


def test_patches_of_objects_are_read_before_the_grounds():
    rng = np.random.default_rng(0)
    patch = train.batch(rng, 8, 1, 4, hard_scenes.draw_scene, train_hard.GRID)[2]
    shown = train_hard.mostly_objects(patch, rng, 20).numpy()
    assert shown.shape == (8, 20) and (np.diff(shown) > 0).all()
    labelled = patch.any(-1)
    assert (np.take_along_axis(labelled, shown, 1).sum(1) == labelled.sum(1).clip(max=20)).all()


def test_shapes_are_turned_by_up_to_30_degrees_and_early_in_training_less(scenes):
    """The same things however far they are turned; textures are turned by any angle."""
    upright, usual, free = (hard_scenes.draw_scene(np.random.default_rng(5), count=3, **given)
                            for given in ({"spread": 0}, {}, {"spread": hard_scenes.TURNS // 2}))
    assert upright.things == usual.things == free.things
    assert {p.turn for p in upright.plan.placed} == {0} and {p.turn for p in free.plan.placed} - {*range(-2, 3)}
    placed = [p for scene in scenes for p in scene.plan.placed]
    assert {(p.turn + 12) % 24 - 12 for p in placed} == {*range(-2, 3)}
    assert {p.grain for p in placed} == {*range(24)}


@pytest.mark.parametrize("every", [True, False])
def test_tasks_on_threads_give_what_one_thread_gives(few_lessons, every):
    """Against the towers as they are for explaining, and backwards through one graph."""
    words = train.word_ids()
    model, heads = train_hard.build(words)
    weights = [p for m in (model, heads) for p in m.parameters()]
    data = train.batch(np.random.default_rng(0), 20, 1, 4, hard_scenes.draw_scene, train_hard.GRID)
    image, text = train.towers(model, borrow=lambda p: p)
    shown = None if every else train_hard.mostly_objects(data[2], np.random.default_rng(1))
    u, dense = train.see(image, heads, train.normalised(data[0], torch.float32), True, shown)
    v = train.encode_text(text, *train.tokenize([world.caption(things) for things in data[3]], list(words)))
    labels = data[2] if every else data[2][np.arange(20)[:, None], shown.numpy()]
    slow = train.terms_of(model, heads, (*data[:2], labels, data[3]), u, v, dense, 1.0, unseen=False)
    fast = train_hard.losses(model, heads, data, [*words], 1.0, shown)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad(sum(parts.values()), weights) for parts in (slow, fast))):
        torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-5)
