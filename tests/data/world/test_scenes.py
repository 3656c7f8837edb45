"""The drawn world: the same everywhere, with exact truth, and pairs whose wrong captions are wrong in one way."""
import hashlib
from itertools import combinations, product

import numpy as np
import pytest

from nib_utils.data.pairs import load_pairs, manifest
from nib_utils.data.world import scenes as shapes
from nib_utils.data.world.pairs import pair_rng, swapped_colours
from nib_utils.data.world.scenes import ATTRIBUTES, Thing


@pytest.fixture(scope="module")
def pairs():
    return load_pairs("shapes", n=60, seed=3)


def read(caption: str) -> list[Thing]:
    """A caption's things, by its words alone."""
    phrases = caption.replace(" and ", ", ").split(", ")
    assert all(phrase.startswith("a ") for phrase in phrases)
    things = [Thing(*phrase.split()[1:]) for phrase in phrases]
    assert all(value in ATTRIBUTES[name] for thing in things for name, value in thing._asdict().items())
    return things


@pytest.mark.parametrize("held_out, expected", [
    (False, "9ef15c062a88397b4f4bf57e6e9bc6154c40482629cfeab2c9a07b8bd164a60a"),
    (True, "f9839bd6a7abcb7fbc227bc3b9df8134e5f9ca72668ed222e3502848c20b0a4a")])
def test_scenes_are_the_same_everywhere(held_out, expected):
    digest = hashlib.sha256()
    for i in range(8):
        scene = shapes.draw_scene(np.random.default_rng([7, i, 1]), held_out)
        digest.update(scene.pixels.tobytes() + scene.masks.tobytes() + scene.caption.encode())
    assert digest.hexdigest() == expected


def test_pairs_are_the_same_everywhere():
    assert manifest(load_pairs("shapes", n=4)) == "9a8d2baf784c3ecf2ad783013a4b632382f9ee35642d3d5a4aa9e2103d0d437a"


def test_first_pairs_do_not_depend_on_n():
    few, many = load_pairs("shapes", n=3, seed=5), load_pairs("shapes", n=10, seed=5)
    assert manifest(few) == manifest(many[:3])
    assert few["distractors"].tolist() == many["distractors"].tolist()[:3]
    assert all((a == b).all() for a, b in zip(few["masks"], many["masks"]))
    assert manifest(few) != manifest(load_pairs("shapes", n=3, seed=6))
    assert many["caption"].nunique() == 10


def test_pairs_draw_from_no_stream_of_training():
    first = lambda rng: rng.integers(1 << 62)
    training = {first(np.random.default_rng([0, step])) for step in range(2000)}
    testing = [first(pair_rng(0, i)) for i in range(200)]
    assert len(set(testing)) == 200 and training.isdisjoint(testing)


def test_masks_are_the_pixels_that_the_objects_changed():
    kinds = [Thing(size, texture, colour, shape) for size, texture, colour, shape in product(*ATTRIBUTES.values())]
    for i, things in enumerate(zip(kinds[::2], kinds[1::2])):
        scene = shapes.paint(shapes.plan(np.random.default_rng(i), list(things), [(64, 64), (160, 160)]))
        changed = (scene.pixels != shapes.ground(np.random.default_rng(i))).any(-1)
        assert not changed[~scene.masks.any(0)].any()
        for thing, mask in zip(things, scene.masks):
            if thing.colour != "white":  # white and its stripes can be as grey as a speck underneath
                assert changed[mask].all(), thing


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_outline_fits_its_box_and_is_its_own(shape):
    for radius in shapes.RADIUS.values():
        inside = shapes.outline(shape, radius)
        edge = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        assert inside.shape == (2 * radius + 4, 2 * radius + 4) and not edge.any()
        assert 0.2 < inside.mean() < 0.8
        others = [shapes.outline(other, radius) for other in shapes.SHAPES if other != shape]
        assert all((inside != other).mean() > 0.05 for other in others)


def test_unknown_shape_is_named():
    with pytest.raises(ValueError, match="'hexagon'.*circle"):
        shapes.outline("hexagon", 23)


def test_masks_of_pairs_are_one_per_object_disjoint_and_whole(pairs):
    for _, row in pairs.iterrows():
        masks = row["masks"]
        assert masks.dtype == bool and masks.shape == (len(row["objects"]), 224, 224)
        assert masks.sum(0).max() == 1
        full = [shapes.outline(thing.shape, shapes.RADIUS[thing.size]).sum() for thing in row["objects"]]
        assert masks.sum((1, 2)).tolist() == full


def test_masks_belong_to_their_phrases(pairs):
    """The bright pixels under a mask have its object's colour, up to the jitter in brightness."""
    for _, row in pairs.iterrows():
        pixels = np.asarray(row["image"]).astype(int)
        for thing, mask in zip(row["objects"], row["masks"]):
            values = pixels[mask][pixels[mask].sum(1) >= np.median(pixels[mask].sum(1))]  # the undarkened ones
            brightest = values[values.sum(1).argmax()]
            assert abs(brightest - np.array(shapes.COLOURS[thing.colour])).max() <= 0.1 * 255, thing


def test_held_out_triples_never_occur_in_training_and_always_in_testing():
    train = [shapes.draw_scene(np.random.default_rng([11, i])).things for i in range(300)]
    test = load_pairs("shapes", n=100, seed=11)["objects"]
    assert not any(shapes.is_held_out(thing) for things in train for thing in things)
    assert all(any(map(shapes.is_held_out, things)) for things in test)
    seen = load_pairs("shapes", n=30, held_out=False)["objects"]
    assert not any(shapes.is_held_out(thing) for things in seen for thing in things)


def test_every_pair_of_attributes_still_occurs_in_training():
    kinds = [Thing("small", *rest) for rest in product(shapes.TEXTURES, shapes.COLOURS, shapes.SHAPES)]
    trained = [thing for thing in kinds if not shapes.is_held_out(thing)]
    assert len(kinds) - len(trained) == len(kinds) // 8
    for a, b in combinations(("texture", "colour", "shape"), 2):
        shown = {(getattr(thing, a), getattr(thing, b)) for thing in trained}
        assert shown == set(product(ATTRIBUTES[a], ATTRIBUTES[b]))


def test_scenes_hold_one_to_four_different_objects(pairs):
    counts = pairs["objects"].map(len)
    assert set(counts) == {1, 2, 3, 4}
    assert (pairs["objects"].map(set).map(len) == counts).all()


@pytest.mark.parametrize("objects", [1, 4])
def test_number_of_objects_can_be_fixed(objects):
    assert set(load_pairs("shapes", n=8, objects=objects)["phrases"].map(len)) == {objects}


@pytest.mark.parametrize("options", [{"objects": 0}, {"objects": 5}, {"objects": 2.0}, {"objects": "2"},
                                     {"held_out": "no"}])
def test_values_of_options_are_checked(options):
    with pytest.raises(ValueError, match=f"{[*options][0]} is .*; (pass|a scene holds)"):
        load_pairs("shapes", n=1, **options)


def test_caption_joins_with_commas_and_a_last_and():
    things = [Thing("small", "plain", "red", "star"), Thing("large", "dotted", "blue", "ring"),
              Thing("small", "striped", "pink", "heart")]
    assert shapes.caption(things[:1]) == "a small plain red star"
    assert shapes.caption(things[:2]) == "a small plain red star and a large dotted blue ring"
    assert shapes.caption(things) == "a small plain red star, a large dotted blue ring and a small striped pink heart"


def test_caption_phrases_and_words_agree(pairs):
    for _, row in pairs.iterrows():
        things = read(row["caption"])
        assert things == row["objects"]
        assert row["phrases"] == [thing.phrase for thing in things]
        positions = [row["caption"].index(phrase) for phrase in row["phrases"]]
        assert positions == sorted(positions)
        assert row["content"] == [w for w in row["caption"].replace(",", "").split() if w not in ("a", "and")]
        world = {word for words in ATTRIBUTES.values() for word in words}
        assert set(row["absent"]) == world - set(row["content"]) and len(row["absent"]) == len(set(row["absent"]))


def test_images_are_pil_pictures_of_224(pairs):
    assert {(image.mode, image.size) for image in pairs["image"]} == {("RGB", (224, 224))}


def test_distractors_are_distinct_and_wrong_by_one_attribute_or_object(pairs):
    differences = []
    for _, row in pairs.iterrows():
        wrong = [read(caption) for caption in row["distractors"]]
        assert len({frozenset(things) for things in wrong} - {frozenset(row["objects"])}) == len(wrong) == 25
        for things in wrong:
            assert len(things) == len(set(things)) == len(row["objects"])
            places = [i for i, (a, b) in enumerate(zip(things, row["objects"])) if a != b]
            assert len(places) == 1  # the others keep their order
            differences.append(sum(a != b for a, b in zip(things[places[0]], row["objects"][places[0]])))
    one_attribute = np.mean(np.array(differences) == 1)
    assert 0.55 < one_attribute < 0.85 and max(differences) == 4


def test_swapped_captions_exchange_two_colours(pairs):
    for _, row in pairs.iterrows():
        true = row["objects"]
        assert len(set(row["swapped"])) == len(row["swapped"])
        for things in map(read, row["swapped"]):
            i, j = (k for k, (a, b) in enumerate(zip(things, true)) if a != b)
            assert set(things) != set(true) and len(set(things)) == len(true)
            assert things == shapes.swapped(true, "colour", i, j) and true[i].colour != true[j].colour
        expected = sum(len({*s} - {*true}) > 0 and len({*s}) == len(true) for s in (
            shapes.swapped(true, "colour", i, j) for i, j in combinations(range(len(true)), 2)))
        assert len(row["swapped"]) == expected


def test_swapping_is_left_out_where_it_changes_nothing():
    red, blue = Thing("small", "plain", "red", "star"), Thing("small", "plain", "blue", "star")
    ring = Thing("large", "dotted", "red", "ring")
    assert swapped_colours([red]) == []
    assert swapped_colours([red, blue]) == []  # the same two objects
    assert swapped_colours([red, ring]) == []  # the same colour
    assert swapped_colours([blue, ring]) == ["a small plain red star and a large dotted blue ring"]
    assert swapped_colours([red, blue, ring]) == []  # blue with ring would make the red star twice


def test_pairs_can_be_drawn_some_at_a_time():
    whole, part = load_pairs("shapes", n=7, seed=3), load_pairs("shapes", n=3, seed=3, start=4)
    assert part.caption.tolist() == whole.caption[4:].tolist()
    assert np.array_equal(np.asarray(part.image[0]), np.asarray(whole.image[4]))
    with pytest.raises(ValueError, match="start is -1"):
        load_pairs("shapes", n=3, start=-1)
