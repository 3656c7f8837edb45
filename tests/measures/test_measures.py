"""Pointing, mass, IoU, precision, retrieval and the evaluation loop, on cases worked by hand."""
import json
import re
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image
from sklearn.metrics import average_precision_score

import nib_utils as nib
from nib_utils.measures import cache, localization
from nib_utils.measures import evaluate as evaluation
from nib_utils.measures.words import expected_precision
from nib_utils.studies.accuracy import choose_others
from nib_utils.tables.paper import DATASETS, METRICS, beside_published, headlines, main_table, published_table
from nib_utils.tables.ranked import ranked


@pytest.fixture(scope="module")
def clip():
    return nib.wrap(tiny.openai(layers=3, image_size=224))


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=12)


def test_pointing_is_where_the_highest_pixel_lies():
    maps, masks = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :2, :2] = True
    maps[0, 1, 1], maps[1, 3, 3] = 1, 1  # on the object; beside it; and a map without a preference
    assert nib.pointing(maps, masks).tolist() == [1, 0, 0.25]


def test_mass_is_the_share_of_positive_relevance_on_the_object():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :, :1] = True  # the left quarter: half of each left patch
    scores = torch.tensor([[[3.0, 0], [0, 1]], [[-1.0, -2], [-3, 0]], [[1.0, 1], [1, 1]]])
    assert nib.mass(scores, masks).tolist() == pytest.approx([3 * 0.5 / 4, 0, 0.25])


def test_phrases_of_scenes_with_one_object_are_left_out(pairs):
    phrases = nib.phrase_pairs(pairs)
    expected = [len(p) for p in pairs.phrases if len(p) > 1]
    assert phrases.scene.tolist() == [i for i, p in pairs.phrases.items() for _ in p if len(p) > 1]
    assert len(phrases) == sum(expected) and phrases.objects.min() >= 2
    assert phrases["mask"][0].shape == (224, 224) and phrases["mask"][0].dtype == bool
    assert all(row.phrase in pairs.caption[[i is row.image for i in pairs.image].index(True)] for row in phrases.itertuples())


def test_a_perfect_map_points_at_its_object_and_an_inverted_one_does_not(pairs):
    masks = torch.from_numpy(np.stack(nib.phrase_pairs(pairs)["mask"].to_list()))
    assert (nib.pointing(masks.float(), masks) == 1).all() and (nib.mass(masks.float(), masks) > 0.999).all()
    assert (nib.pointing(1 - masks.float(), masks) == 0).all() and (nib.mass(1 - masks.float(), masks) == 0).all()


def test_iou_by_hand():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[:, :2, :2] = True
    maps = torch.zeros(3, 4, 4)
    maps[0, :2, 1:3] = 1  # two of four pixels on the object
    maps[1, 0, :2] = 1  # two on the object, and fourteen that tie for two more places: 2/14 of the two left
    got = nib.iou(maps, masks)
    assert got.tolist() == pytest.approx([2 / 6, (2 + 4 / 14) / (8 - 2 - 4 / 14), 1 / 7])
    assert nib.iou(maps, masks, keep=0.5).tolist() == pytest.approx([2 / 6, 2 / 4, 0])
    assert nib.iou(maps, masks, keep=0.0).tolist() == pytest.approx([4 / 16] * 3)


def test_average_precision_by_hand():
    masks = torch.tensor([[[True, False], [True, False]]])
    assert nib.average_precision(torch.tensor([[[0.9, 0.8], [0.7, 0.1]]]), masks).item() == pytest.approx((1 + 2 / 3) / 2)
    assert nib.average_precision(torch.tensor([[[0.9, 0.9], [0.7, 0.1]]]), masks).item() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert nib.average_precision(torch.ones(1, 2, 2), masks).item() == 0.5


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for values in (rng.random((5, 30, 40)), rng.integers(0, 6, (5, 30, 40)) / 5.0):  # without and with equal pixels
        masks = rng.random((5, 30, 40)) < np.array([0.01, 0.1, 0.5, 0.9, 1.0])[:, None, None]
        theirs = [average_precision_score(mask.ravel(), m.ravel()) for mask, m in zip(masks, values)]
        got = nib.average_precision(torch.from_numpy(values), torch.from_numpy(masks), batch_size=2)
        np.testing.assert_allclose(got, theirs, rtol=1e-6)


def test_a_perfect_map_has_all_and_no_map_less_than_the_inverted_one(pairs):
    masks = torch.from_numpy(np.stack(nib.phrase_pairs(pairs)["mask"].to_list()))[:6]
    assert (nib.iou(masks.float(), masks) == 1).all() and (nib.iou(masks.float(), masks, keep=0.5) == 1).all()
    assert (nib.average_precision(masks.float(), masks) == 1).all()
    chance = torch.rand(masks.shape)
    inverted = chance - 2.0 * masks  # every pixel of the object below all others
    area = masks.flatten(1).sum(1)
    least = [sum(i / (224 * 224 - a + i) for i in range(1, a + 1)) / a for a in area.tolist()]
    assert (nib.iou(inverted, masks) == 0).all()
    np.testing.assert_allclose(nib.average_precision(inverted, masks), least, rtol=1e-4)
    assert (nib.average_precision(chance, masks) > nib.average_precision(inverted, masks)).all()


def test_boxes_are_masks_of_the_pixels_whose_centres_they_hold():
    masks = nib.box_masks([(1, 0, 3, 2), (0.6, 1.5, 2.4, 9)], 4, 5)
    assert masks.dtype == torch.bool and masks.shape == (2, 4, 5)
    assert masks[0].nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert masks[1].nonzero().tolist() == [[y, 1] for y in (1, 2, 3)]
    assert nib.iou(masks.float(), masks).tolist() == [1, 1]


@pytest.mark.parametrize("work, words", [
    (lambda: nib.iou(torch.ones(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)), "mask 0 is empty"),
    (lambda: nib.average_precision(torch.ones(1, 4, 4), torch.ones(1, 4, 4)), "the masks of torch.bool"),
    (lambda: nib.iou(torch.ones(1, 4, 4), torch.ones(2, 4, 4, dtype=torch.bool)), r"masks \(2, 4, 4\) of torch.bool"),
    (lambda: nib.iou(torch.full((1, 4, 4), torch.nan), torch.ones(1, 4, 4, dtype=torch.bool)), "map 0 contains NaN"),
    (lambda: nib.iou(torch.ones(1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool), keep="half"), "keep is 'half'"),
    (lambda: nib.pointing(torch.ones(11, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)), r"maps \(11, 4, 4\) and masks \(1, 4, 4\)"),
    (lambda: nib.pointing(torch.full((1, 4, 4), torch.nan), torch.ones(1, 4, 4, dtype=torch.bool)), "map 0 contains NaN"),
    (lambda: nib.pointing(torch.ones(1, 4, 4), torch.ones(1, 4, 4)), "of torch.float32 do not fit"),
    (lambda: nib.mass(torch.ones(11, 2, 2), torch.ones(1, 4, 4, dtype=torch.bool)), r"pass \(B, gh, gw\) and \(B, H, W\)"),
    (lambda: nib.mass(torch.ones(2, 2), torch.ones(2, 4, 4, dtype=torch.bool)), r"maps \(2, 2\) and masks \(2, 4, 4\)"),
    (lambda: nib.mass(torch.full((1, 2, 2), torch.nan), torch.ones(1, 4, 4, dtype=torch.bool)), "map 0 contains NaN"),
    (lambda: nib.mass(torch.ones(1, 2, 2), torch.ones(1, 4, 4)), "of torch.float32 do not fit"),
    (lambda: nib.mass(torch.ones(1, 2, 2), torch.zeros(1, 4, 4, dtype=torch.bool)), "mask 0 is empty"),
    (lambda: nib.box_masks([(0, 0, 2, 2), (3, 1, 3, 2)], 4, 4), "box 1, .3.0, 1.0, 3.0, 2.0., holds no pixel"),
])
def test_masks_and_boxes_that_do_not_fit_are_refused(work, words):
    with pytest.raises(ValueError, match=words):
        work()


def test_localize_scores_every_phrase(clip, pairs):
    phrases = nib.phrase_pairs(pairs)
    ones = nib.localize(clip, phrases, "all_ones")
    area = np.array([m.mean() for m in phrases["mask"]])
    np.testing.assert_allclose(ones.pointing, area, rtol=1e-5)
    np.testing.assert_allclose(ones.mass, area, rtol=1e-5)
    np.testing.assert_allclose(ones.average_precision, area, rtol=1e-5)
    np.testing.assert_allclose(ones.iou, area / (2 - area), rtol=1e-4)  # a share of `area` of each of the two
    ex = nib.explain(clip, list(phrases.image), list(phrases.phrase), "random", only="image", seed=4)
    rows = nib.localize(clip, phrases, "random", seed=4)
    masks = torch.from_numpy(np.stack(phrases["mask"].to_list()))
    assert rows.columns.tolist() == ["scene", "pointing", "mass", "iou", "average_precision"]
    assert rows.scene.tolist() == phrases.scene.tolist()
    np.testing.assert_allclose(rows.drop(columns="scene"), np.stack([nib.pointing(ex.image, masks), nib.mass(ex.image_scores, masks),
                                               nib.iou(ex.image, masks), nib.average_precision(ex.image, masks)], 1))


def test_localize_brings_masks_to_the_pixels_of_the_model(pairs):
    """A picture's own size, a mixture of sizes, and masks already cropped, on a model that reads 64 x 64."""
    small = nib.wrap(tiny.openai(layers=2, image_size=64))
    phrases = nib.phrase_pairs(pairs.head(6))
    half = lambda mask: np.asarray(Image.fromarray(mask).resize((64, 64), Image.Resampling.NEAREST))
    exact = [half(mask) for mask in phrases["mask"]]
    mixed = [cut if i % 2 else mask for i, (cut, mask) in enumerate(zip(exact, phrases["mask"]))]
    ex = nib.explain(small, list(phrases.image), list(phrases.phrase), "random", only="image", seed=4)
    masks = torch.from_numpy(np.stack(exact))
    by_hand = np.stack([nib.pointing(ex.image, masks), nib.mass(ex.image_scores, masks), nib.iou(ex.image, masks),
                        nib.average_precision(ex.image, masks)], 1)
    for given in (list(phrases["mask"]), exact, mixed):
        rows = nib.localize(small, phrases.assign(mask=pd.Series(given, dtype=object)).drop(columns="scene"), "random", seed=4)
        assert rows.columns.tolist() == ["pointing", "mass", "iou", "average_precision"]
        np.testing.assert_allclose(rows, by_hand)
    wide = pairs.head(1).assign(image=[Image.new("RGB", (300, 100))], phrases=[["a red star"] * 2])
    left = np.arange(300)[None].repeat(100, 0) < 150
    cut = nib.localize(small, nib.phrase_pairs(wide.assign(masks=[np.stack([left, ~left])])), "all_ones")
    np.testing.assert_allclose(cut.mass, [0.5, 0.5])  # the crop leaves the middle, half of it on each side


@pytest.fixture()
def wide():
    """Four phrases of a picture three times as wide as high: the crop removes the first and the third."""
    x = np.arange(300)[None].repeat(100, 0)
    masks = np.stack([x < 90, x < 150, x >= 210, x >= 150])
    image, phrases = Image.new("RGB", (300, 100)), ["a red star", "a blue ring", "a green cross", "a pink square"]
    return nib.phrase_pairs(pd.DataFrame({"image": [image], "phrases": [phrases], "masks": [masks]}))


def test_what_the_crop_removes_is_named_before_anything_is_explained(clip, wide, monkeypatch):
    monkeypatch.setattr(localization, "explain", lambda *a, **o: pytest.fail("something was explained"))
    for phrases, words in (
            (wide, "nothing of the masks of 2 of 4 phrases, first that of row 0, 'a red star'; .* out with broken=\"skip\""),
            (wide[1:], "of the masks of 1 of 3 phrases, first that of row 1, 'a green cross'")):
        with pytest.raises(ValueError, match=words):
            nib.localize(clip, phrases, "all_ones")
    for broken in ("raise", "skip"):
        with pytest.raises(ValueError, match="nothing of the masks of 2 of 2 phrases; check them"):
            nib.localize(clip, wide.iloc[[0, 2]], "all_ones", broken=broken)
    with pytest.raises(ValueError, match="broken is 'drop'; pass one of 'raise', 'skip'"):
        nib.localize(clip, wide, "all_ones", broken="drop")


def test_what_the_crop_removes_may_be_left_out(clip, wide):
    with pytest.warns(UserWarning, match="2 of 4 phrases are left out: the model's crop leaves nothing") as told:
        rows = nib.localize(clip, wide, "random", seed=3, broken="skip")
    assert sum("left out" in str(w.message) for w in told) == 1 and told[0].filename == __file__
    whole = nib.localize(clip, wide.iloc[[1, 3]], "random", seed=3, broken="skip")
    assert rows.index.tolist() == [1, 3] and whole.index.tolist() == [0, 1]
    np.testing.assert_array_equal(rows, whole)


def test_masks_of_another_size_or_type_are_refused(clip, pairs, tmp_path):
    phrases = nib.phrase_pairs(pairs).head(3)
    change = lambda mask: phrases.assign(mask=pd.Series([*phrases["mask"][:2], mask], dtype=object))
    name = re.escape(repr(phrases.phrase[2]))
    wrong = rf"row 2, {name}: the mask has shape \(50, 224\), but its picture \(%s\) and the model's input \(224, 224\)"
    for image, size in ((phrases.image[2], "224, 224"), (str(tmp_path / "a.png"), "60, 90"), (tmp_path / "a.png", "60, 90")):
        Image.new("RGB", (90, 60)).save(tmp_path / "a.png")
        given = change(np.ones((50, 224), bool)).assign(image=pd.Series([*phrases.image[:2], image], dtype=object))
        with pytest.raises(ValueError, match=wrong % size):
            nib.localize(clip, given, "all_ones")
    fits = change(np.ones((60, 90), bool)).assign(image=pd.Series([*phrases.image[:2], tmp_path / "a.png"], dtype=object))
    assert nib.localize(clip, fits, "all_ones").mass[2] == pytest.approx(1)
    with pytest.raises(ValueError, match=rf"row 2, {name}: the mask is float64 of shape \(224, 224\); pass bool"):
        nib.localize(clip, change(np.ones((224, 224))), "all_ones")
    with pytest.raises(FileNotFoundError, match="image 2: there is no file at 'none.png'"):
        nib.localize(clip, fits.assign(image=pd.Series([*phrases.image[:2], "none.png"], dtype=object)), "all_ones")


def test_localize_refuses_what_is_no_question_of_images(clip, pairs):
    phrases = nib.phrase_pairs(pairs)
    for only in ("text", "image"):
        with pytest.raises(ValueError, match=f"only is '{only}', but localize always explains the image alone"):
            nib.localize(clip, phrases, "all_ones", only=only)
    with pytest.raises(TypeError, match="the first argument is a str; pass load_clip"):
        nib.localize("mini", phrases, "nib")


def test_precision_of_words_is_the_mean_over_all_orders_of_equal_ones():
    rng = np.random.default_rng(0)
    for _ in range(12):
        scores, sought = rng.integers(0, 3, 5) / 2, np.append(rng.random(4) < 0.5, True)
        orders = [average_precision_score(sought, scores + 1e-3 * np.array(p)) for p in permutations(range(5))]
        assert expected_precision(scores, sought) == pytest.approx(np.mean(orders))
    scores, sought = rng.random(20), np.arange(20) < 7
    assert expected_precision(scores, sought) == pytest.approx(average_precision_score(sought, scores))


def test_maps_of_the_words_that_matter_are_perfect_and_others_chance(clip):
    pairs = nib.load_pairs("shapes", n=30, seed=5)
    words = [nib.explain(clip, [image], [caption], "all_ones").tokens[0]
             for image, caption in zip(pairs.image, pairs.caption)]
    matters = [torch.tensor([float(w not in ("a", "and", ",")) for w in row]) for row in words]
    right, wrong, ones = (nib.word_accuracy(clip, pairs, maps) for maps in (
        matters, [1 - m for m in matters], [torch.ones_like(m) for m in matters]))
    assert (right[["average_precision", "pointing"]] == 1).all().all()
    assert (wrong.pointing == 0).all() and (wrong.average_precision < wrong.average_precision_chance).all()
    np.testing.assert_allclose(ones.average_precision, ones.average_precision_chance)
    np.testing.assert_allclose(ones.pointing, ones.pointing_chance)
    assert ones.pointing_chance.tolist() == [m[1:-1].mean() for m in matters]
    single = [len(p) == 1 for p in pairs.phrases]  # "a" and four words: 1/5 of the orders have the "a" at each place
    by_hand = np.mean([np.mean([(i + 1 - (i >= a)) / (i + 1) for i in range(5) if i != a]) for a in range(5)])
    np.testing.assert_allclose(ones.average_precision_chance[single], by_hand)


def test_words_that_cannot_be_told_apart_are_refused(clip):
    pairs = pd.DataFrame({"caption": ["a red star"], "content": [["red", "star"]]})
    for change, maps, words in (({}, [torch.ones(4)], r"text map 0 has shape \(4,\), but its caption has 5 tokens"),
                                ({}, [torch.full((5,), torch.nan)], "each of which must have a finite value"),
                                ({}, [], "1 captions and 0 text maps"),
                                ({"content": [["a", "red", "star"]]}, [torch.ones(5)], "has 3 of 3 words"),
                                ({"content": [["blue"]]}, [torch.ones(5)], "has 0 of 3 words")):
        with pytest.raises(ValueError, match=words):
            nib.word_accuracy(clip, pairs.assign(**change), maps)
    with pytest.raises(ValueError, match="lack the column 'content'"):
        nib.word_accuracy(clip, pairs.drop(columns="content"), [torch.ones(5)])


class Oracle:
    """Knows the captions of the scenes: the own one is most alike, then (perhaps) one that it mistakes for it."""

    def __init__(self, pairs, mistaken=()):
        self.pairs, self.mistaken = pairs, set(mistaken)

    def encode_image(self, images, batch_size):
        return torch.eye(len(images))

    def encode_text(self, texts, batch_size):
        own = torch.tensor([[text == caption for caption in self.pairs.caption] for text in texts]).float()
        wrong = torch.tensor([[text in self.mistaken and text in {*row.distractors, *row.swapped}
                               for row in self.pairs.itertuples()] for text in texts]).float()
        return own + 2 * wrong + 1e-3 * torch.ones(len(texts), len(self.pairs))


def test_retrieval_counts_what_is_right_and_what_is_mistaken():
    pairs = nib.load_pairs("shapes", n=60, objects=2)
    right = nib.retrieval(Oracle(pairs), pairs, candidates=60)
    assert right.top1.all() and right.hard_top1.all() and right.binding.dropna().all() and right.binding.notna().any()
    first = pairs.distractors[0][0]
    swap = next(s[0] for s in pairs.swapped if s)
    wrong = nib.retrieval(Oracle(pairs, [first, swap]), pairs, candidates=60)
    assert wrong.top1[0] == wrong.hard_top1[0] == 0 and wrong.top1.mean() > 0.9
    assert (wrong.binding == 0).sum() >= 1
    with pytest.raises(ValueError, match="60 scenes have too few different captions"):
        nib.retrieval(Oracle(pairs), pairs, candidates=200)


def test_the_middle_scores_what_a_map_of_the_middle_should(clip, pairs):
    ex = nib.explain(clip, list(pairs.image[:1]), list(pairs.caption[:1]), "centre")
    everywhere, middle = torch.ones(1, 224, 224, dtype=torch.bool), torch.zeros(1, 224, 224, dtype=torch.bool)
    middle[:, 96:128, 96:128] = True  # the middle patch
    assert nib.mass(ex.image_scores, everywhere).item() == pytest.approx(1)
    assert 1 / 49 < nib.mass(ex.image_scores, middle).item() < 0.2 and nib.pointing(ex.image, middle).item() == 1


def test_evaluate_is_explain_and_confidence(clip, pairs):
    rows = nib.evaluate(clip, pairs, "nib", chunk=5)
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "nib")
    for protocol in ("published", "corrected"):
        direct = nib.confidence(clip, list(pairs.image), list(pairs.caption), ex.image, ex.text, protocol)
        np.testing.assert_allclose(rows[direct.add_prefix(f"{protocol}_").columns], direct, atol=1e-3)
    np.testing.assert_allclose(rows.similarity, ex.similarity, atol=1e-6)


def test_an_interrupted_evaluation_goes_on(clip, pairs, tmp_path, monkeypatch):
    seen, explain = [], evaluation.explain

    def interrupted(clip, images, *arguments, **options):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(images))
        return explain(clip, images, *arguments, **options)

    monkeypatch.setattr(evaluation, "explain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nib.evaluate(clip, pairs, "random", chunk=4, cache=tmp_path, seed=3)
    assert len(pd.read_csv(next(tmp_path.glob("random-*.csv")), comment="#")) == 8 and len(list(tmp_path.iterdir())) == 1
    seen.clear()
    resumed = nib.evaluate(clip, pairs, "random", chunk=4, cache=tmp_path, seed=3)
    assert seen == [4]
    monkeypatch.undo()
    whole = nib.evaluate(clip, pairs, "random", chunk=12, seed=3)
    pd.testing.assert_frame_equal(resumed.drop(columns="explain_seconds"), whole.drop(columns="explain_seconds"), atol=1e-3)


def test_a_seed_for_one_tower_does_not_depend_on_the_chunk(clip, pairs):
    same = pd.DataFrame({"image": [pairs.image[0]] * 5, "caption": [pairs.caption[0]] * 5})
    two, five = (nib.evaluate(clip, same, "random", chunk=c, image_options={"seed": 5}, seed=1) for c in (2, 5))
    columns = [c for c in two if c != "explain_seconds"]
    pd.testing.assert_frame_equal(two[columns], five[columns], atol=1e-3)
    assert two.published_image_drop.nunique() == 5  # every pair has a seed of its own


def test_what_is_no_table_of_pairs_is_refused(clip, pairs):
    with pytest.raises(ValueError, match="pairs lack the column 'caption'"):
        nib.evaluate(clip, pairs.drop(columns="caption"), "nib")
    with pytest.raises(ValueError, match="pairs lack the column 'image'"):
        nib.evaluate(clip, [("a.jpg", "a dog")], "nib")
    with pytest.raises(ValueError, match="pairs lack the column 'distractors'"):
        nib.retrieval(clip, pairs.drop(columns="distractors"))
    with pytest.raises(ValueError, match="pairs lack the column 'phrase'"):
        nib.localize(clip, pairs, "nib")
    with pytest.raises(ValueError, match="chunk is 0"):
        nib.evaluate(clip, pairs, "nib", chunk=0)


def test_other_work_is_not_taken_for_this(clip, pairs):
    names = {cache.fingerprint(*work) for work in (
        (clip, pairs, "nib", {}, 0), (clip, pairs, "nib", {"layer": 1}, 0), (clip, pairs, "m2ib", {}, 0),
        (clip, pairs, "nib", {}, 1), (clip, pairs.head(3), "nib", {}, 0),
        (nib.wrap(tiny.openai(layers=4, image_size=224)), pairs, "nib", {}, 0))}
    assert len(names) == 6


def test_another_picture_of_the_same_name_is_other_work(clip, tmp_path):
    for i, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (40, 40), (200 * i, 30, 90)).save(tmp_path / folder / "1.png")
    frames = [pd.DataFrame({"image": [str(tmp_path / folder / "1.png")], "caption": ["a dog"]}) for folder in "ab"]
    first, second = (nib.evaluate(clip, frame, "all_ones", cache=tmp_path) for frame in frames)
    assert first.similarity[0] != second.similarity[0]


def test_a_true_caption_is_no_wrong_candidate():
    pairs = nib.load_pairs("shapes", n=80)
    big = next(i for i, things in enumerate(pairs.objects) if len(things) == 4)
    part = next(i for i, things in enumerate(pairs.objects) if len(things) == 1)
    pairs.at[part, "objects"], pairs.at[part, "caption"] = pairs.objects[big][:1], pairs.phrases[big][0]
    others = choose_others(np.random.default_rng(0), pairs, big, 70)
    assert pairs.caption[part] not in others and len(set(others)) == 70


def test_main_table_has_every_published_number():
    rows = pd.DataFrame({"method": ["nib", "nib", "all_ones", "all_ones"], "explain_seconds": [0.5, 0.5, 0.1, 0.1],
                         "pair": [0, 1, 0, 1]}
                        | {f"{p}_{m}": [1.0, 3.0, 0.0, 0.0] for p in ("published", "corrected") for m in METRICS})
    table = main_table(rows, "cc", {"nib": 1.5, "all_ones": 9.0})
    assert table.loc["nib", "published_image_drop"] == 2 and table.loc["nib", "published_image_drop_low"] == 1
    assert table.loc["nib", "published_image_drop_rank"] == "1-2"  # two pairs can tell nothing apart
    assert table.loc["nib", "fps"] == 2 and table.loc["nib", "fps_single"] == 1.5
    assert table.loc["nib", "paper_image_drop"] == 0.9439 and table.loc["nib", "paper_text_increase"] == 43.95
    assert len(table) == 9 and np.isnan(table.loc["rise", "published_image_drop"])  # eight methods and a control
    assert np.isnan(table.loc["all_ones", "paper_image_drop"])
    assert "paper_image_drop" not in main_table(rows, "shapes", {})


def test_many_pairs_tell_methods_apart_and_only_then_is_one_best():
    rng = np.random.default_rng(0)
    values = {"good": rng.normal(1, 1, 60), "same": rng.normal(1, 1, 60), "bad": rng.normal(9, 1, 60)}
    rows = pd.DataFrame([{"method": m, "pair": i, "drop": v} for m, vs in values.items() for i, v in enumerate(vs)])
    table = ranked(rows, {"drop": "lower"})
    assert table.drop_rank.to_dict() == {"good": "1-2", "same": "1-2", "bad": "3"}
    assert table.drop_best.to_dict() == {"good": True, "same": True, "bad": False}
    assert (table.drop_low < table["drop"]).all() and (table["drop"] < table.drop_high).all()


def test_headlines_follow_from_the_papers_own_table():
    found = headlines()
    np.testing.assert_allclose(found.recomputed, found.paper_says, atol=0.005)
    fps = pd.concat({d: published_table(d).fps for d in DATASETS}).unstack()
    by_hand = np.mean([1 - fps.loc[d, "m2ib"] / fps.loc[d, "nib"] for d in DATASETS])
    assert found.loc["processing speed", "recomputed"] == pytest.approx(100 * by_hand)
    assert found.loc["processing speed", "over_m2ib"] > 150  # what "faster" is commonly taken to mean


def test_published_numbers_stand_beside_measured_ones_or_a_blank(tmp_path):
    blank = beside_published(tmp_path, "ViT-B/32")
    assert len(blank) == 3 * 8 * 5 and blank.paper.notna().all() and blank.measured.isna().all()
    folder, small = tmp_path / "ViT-B-32-cc-n1000-0a1b2c", tmp_path / "ViT-B-32-cc-n2-0a1b2c"
    rows = pd.DataFrame({"published_image_drop": [2.5], "published_image_increase": [3.0], "published_text_drop": [4.0],
                         "published_text_increase": [5.0]}, index=pd.Index(["nib"], name="method"))
    for place, pairs, drop in ((folder, 1000, 2.5), (small, 2, 9.0)):
        place.mkdir()
        rows.assign(published_image_drop=drop).to_csv(place / "main_table.csv")
        made = {"parameters": {"model": "ViT-B/32", "dataset": "cc"}, "pairs": pairs}
        (place / "main_table.json").write_text(json.dumps(made))
    running = beside_published(tmp_path, "ViT-B/32", {"cc": small}).set_index(["dataset", "method", "metric"])
    assert running.loc[("cc", "nib", "image_drop"), "measured"] == 9 and beside_published(tmp_path, "x").measured.isna().all()
    found = beside_published(tmp_path, "ViT-B/32").set_index(["dataset", "method", "metric"])
    assert found.loc[("cc", "nib", "image_drop"), "measured"] == 2.5 and found.measured.notna().sum() == 4
    assert found.loc[("cc", "nib", "image_drop"), "paper"] == 0.9439


def test_blank_maps_of_all_chunks_are_told_of_once(clip, pairs):
    with pytest.warns(UserWarning, match=f"nib finds nothing in {len(pairs)} of {len(pairs)} images") as told:
        nib.evaluate(clip, pairs, "nib", chunk=2, image_options={"layer": clip.image.depth - 1})
    assert len([w for w in told if "finds nothing" in str(w.message)]) == 1


def test_evaluate_names_the_row_of_the_whole(clip, pairs, tmp_path):
    long = pairs.copy()
    long.loc[7, "caption"] = "red " * 100
    with pytest.raises(ValueError, match="^caption 7 has 102 tokens"):
        nib.evaluate(clip, long, "nib", chunk=4, cache=tmp_path)
    assert not list(tmp_path.iterdir())  # said before anything was computed
    gone = pairs.astype({"image": object})
    gone.loc[7, "image"] = "gone.png"
    with pytest.raises(FileNotFoundError, match="^image 7: there is no file at 'gone.png'"):
        nib.evaluate(clip, gone, "nib", chunk=4)
    with pytest.raises(TypeError, match="the first argument is a NoneType"):
        nib.evaluate(None, pairs, "nib")
