"""Insertion and deletion: worked by hand on a model that adds up its parts, and by a slow plain loop on `mini`."""
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image

import nib_utils as nib
from nib_utils.clip.pictures import Preprocess
from nib_utils.clip.similarity import cosine
from nib_utils.measures.curves import fill_of
from nib_utils.measures.ranking import ranks

PATCHES, WORDS = torch.tensor([0.4, 0.3, 0.2, 0.1]), {10: 0.5, 11: 0.3, 12: 0.2}


def feature(s):
    """Unit vectors whose cosine with that of s = 1 is s."""
    s = s.clamp(-1, 1)
    return torch.stack([s, (1 - s * s).sqrt()], -1)


def adding():
    """A stand-in whose cosine is the sum of what the patches left (2 x 2 of 4 x 4 white pixels) and words say."""
    vocabulary = torch.zeros(20, 1)
    vocabulary[list(WORDS), 0] = torch.tensor(list(WORDS.values()))

    def patches(x):  # (B, 3, 4, 4) -> what CLS, which says nothing, and each patch adds, (B, 5, 1)
        means = x[:, 0].unflatten(2, (2, 2)).unflatten(1, (2, 2)).mean((2, 4)).flatten(1)
        return torch.nn.functional.pad(means * PATCHES, (1, 0))[..., None]

    def tower(tokens, grid, at, **parts):
        finish = lambda h, layer, at: feature(h.sum((1, 2)))
        return SimpleNamespace(tokens=tokens, grid=grid, at=at, parts=parts, pre=lambda h: h, finish=finish)

    image = tower(patches, (2, 2), lambda x: torch.zeros(len(x), dtype=torch.long))
    text = tower(lambda ids: vocabulary[ids], None, lambda ids: (ids == 2).long().argmax(1), vocabulary=vocabulary,
                 positions=torch.zeros(9, 1))
    return SimpleNamespace(image=image, text=text, preprocess=Preprocess(size=(4, 4)), device="cpu")


def as_map(order):
    """A map of 4 x 4 pixels whose patches are ranked so, best first, though no pixel alone says it."""
    values = torch.empty(4)
    values[list(order)] = torch.tensor([0.8, 0.6, 0.4, 0.2])
    speckle = torch.tensor([[0.2, -0.2], [-0.15, 0.15]]).repeat(2, 2)
    return values.view(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1) + speckle


def areas(orders, text_map=(0, 0.9, 0.5, 0.1, 0), ids=(1, 10, 11, 12, 2), **options):
    n, clip, options = len(orders), adding(), dict(points=4, batch_size=3) | options
    pixels, ids, maps = torch.ones(n, 3, 4, 4), [torch.tensor(ids)] * n, torch.stack([as_map(o) for o in orders])
    words = [torch.tensor(text_map)] * n
    features = tuple(t.finish(t.tokens(x), 0, None) for t, x in ((clip.image, pixels), (clip.text, torch.stack(ids))))
    return nib.curves(clip, nib.Explanation("mine", clip, pixels, ids, ["x"] * n, features, maps, words, maps, words),
                      **options)


def test_areas_of_a_model_that_adds_are_those_by_hand():
    row = areas([(0, 1, 2, 3)]).iloc[0]
    # deletion 1, .6, .3, .1, 0 and insertion 0, .4, .7, .9, 1, each a quarter apart
    assert row.image_deletion_auc == pytest.approx((0.5 + 0.6 + 0.3 + 0.1) / 4, abs=1e-6)
    assert row.image_insertion_auc == pytest.approx((0.4 + 0.7 + 0.9 + 0.5) / 4, abs=1e-6)
    assert row.image_gain == pytest.approx((0.4 + 0.7 + 0.9 + 0.5 - 0.5 - 0.6 - 0.3 - 0.1) / 4, abs=1e-6)
    assert row.similarity == pytest.approx(1)


@pytest.mark.parametrize("points", [3, 4, 8, 50])
def test_areas_of_a_short_caption_count_every_word(points):
    row = areas([(0, 1, 2, 3)], points=points).iloc[0]  # deletion 1, .5, .2, 0 and insertion 0, .5, .8, 1
    assert row.text_deletion_auc == pytest.approx((0.5 + 0.5 + 0.2) / 3, abs=1e-6)
    assert row.text_insertion_auc == pytest.approx((0.5 + 0.8 + 0.5) / 3, abs=1e-6)


def test_no_order_is_better_than_the_true_one_nor_worse_than_its_inverse():
    orders = list(permutations(range(4)))
    table = areas(orders)
    assert len(table) == 24
    best, worst = orders.index((0, 1, 2, 3)), orders.index((3, 2, 1, 0))
    for column, sign in (("image_deletion_auc", 1), ("image_insertion_auc", -1)):
        values = sign * table[column]
        assert values.idxmin() == best and values.idxmax() == worst and (values.drop(best) > values[best]).all()
    right, wrong = (areas([(0, 1, 2, 3)], text_map=m).iloc[0] for m in ((0, 0.9, 0.5, 0.1, 0), (1, 0.1, 0.5, 0.9, 1)))
    assert right.text_deletion_auc < wrong.text_deletion_auc and right.text_insertion_auc > wrong.text_insertion_auc


def test_what_is_taken_away_looks_like_the_fill():
    # black is below the mean colour, so a model that adds up pixels sees less than nothing
    assert areas([(0, 1, 2, 3)], fill="zero").image_deletion_auc[0] < areas([(0, 1, 2, 3)]).image_deletion_auc[0]
    same = areas([(0, 1, 2, 3)], fill="blur").iloc[0]  # a white picture is white when blurred
    assert same.image_deletion_auc == same.image_insertion_auc == pytest.approx(1)


def test_fills_are_a_black_picture_a_blurred_one_and_the_mean_colour():
    clip = nib.load_clip("mini")
    x = clip.pixels(list(nib.load_pairs("shapes", n=2).image))
    torch.testing.assert_close(fill_of(clip, x, "zero"), clip.pixels([Image.new("RGB", (224, 224))] * 2))
    theirs = scipy.ndimage.gaussian_filter(x.numpy(), (0, 0, 11.2, 11.2), mode="mirror", truncate=2)
    np.testing.assert_allclose(fill_of(clip, x, "blur"), theirs, atol=1e-4)
    assert (fill_of(clip, x, "blur") - x).abs().mean() > 0.1 and not fill_of(clip, x, "mean").any()


def test_ties_fall_otherwise_for_each_pair_and_alike_however_batched():
    same = ranks([torch.ones(9)] * 50, range(50))
    assert len({tuple(row.tolist()) for row in same}) == 50
    assert all(sorted(row.tolist()) == list(range(9)) for row in same)
    assert torch.equal(ranks([torch.ones(9)] * 10, range(40, 50)), same[40:])
    assert not torch.equal(ranks([torch.ones(9)] * 50, range(50), draw=1), same)
    few = [torch.tensor([0.1, 0.9, 0.5]), torch.tensor([0.0, 1.0])]
    assert ranks(few, (3, 4)).tolist() == [[2, 0, 1], [1, 0, torch.inf]]


def slow(clip, picture, caption, image_map, text_map, points, way):
    """One pair's four areas, one input at a time; the fill is the mean colour."""
    x, (ids,) = clip.pixels([picture])[0], clip.ids([caption])
    gh, gw = clip.image.grid
    p = x.shape[1] // gh
    cells = [(r, c) for r in range(gh) for c in range(gw)]
    cells.sort(key=lambda rc: -image_map[rc[0] * p : (rc[0] + 1) * p, rc[1] * p : (rc[1] + 1) * p].double().mean())
    words = sorted(range(1, len(ids) - 1), key=lambda t: -text_map[t])
    image, text = clip.encode_image([picture]), clip.encode_text([caption])

    def patches_left(kept):
        y = torch.zeros_like(x)
        for r, c in kept:
            y[:, r * p : (r + 1) * p, c * p : (c + 1) * p] = x[:, r * p : (r + 1) * p, c * p : (c + 1) * p]
        return cosine(clip.encode_image(y[None]), text).item()

    def words_left(kept):
        if way == "in place":
            rows = clip.text.parts["vocabulary"][ids].clone()
            rows[[t for t in range(1, len(ids) - 1) if t not in kept]] = 0
            h = clip.text.pre((rows + clip.text.parts["positions"][: len(ids)])[None])
            return cosine(clip.text.finish(h, 0, torch.tensor([len(ids) - 1])), image).item()
        return cosine(clip.text(torch.tensor([[ids[0], *(ids[t] for t in sorted(kept)), ids[-1]]])), image).item()

    found = []
    for order, score in ((cells, patches_left), (words, words_left)):
        at = sorted({int(np.floor(j * len(order) / points + 0.5)) for j in range(points + 1)})
        for curve in ([score(order[k:]) for k in at], [score(order[:k]) for k in at]):
            found.append(np.trapezoid(curve, np.array(at) / len(order)))
    return found


@pytest.fixture(scope="module")
def work():
    clip, pairs, rng = nib.load_clip("mini"), nib.load_pairs("shapes", n=5), np.random.default_rng(0)
    words = [torch.from_numpy(rng.random(len(i))).float() for i in clip.ids(list(pairs.caption))]
    maps = torch.from_numpy(rng.random((5, 224, 224))).float()
    return clip, nib.explanation(clip, list(pairs.image), list(pairs.caption), maps, words), list(pairs.image)


@pytest.mark.parametrize("way", ["in place", "left out"])
def test_the_fast_areas_are_those_of_a_plain_loop(work, way):
    clip, ex, images = work
    got = nib.curves(clip, ex, words=way, points=5, batch_size=2).filter(like="auc")
    expected = [slow(clip, *pair, points=5, way=way) for pair in zip(images, ex.captions, ex.image, ex.text)]
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_the_points_have_the_areas_of_the_table(work):
    table, drawn = nib.curves(*work[:2], points=4, fill="zero"), nib.curve_points(*work[:2], points=4, fill="zero")
    assert len(drawn) == 5 * 4 * 5 and drawn.fraction.between(0, 1).all()
    for (pair, curve), rows in drawn.groupby(["pair", "curve"]):
        assert np.trapezoid(rows.cosine, rows.fraction) == pytest.approx(table[f"{curve}_auc"][pair], abs=1e-6)
    ends = drawn.groupby(["pair", "curve"]).cosine.agg(["first", "last"]).unstack()
    np.testing.assert_allclose(ends["first"]["image_deletion"], table.similarity, atol=1e-6)
    np.testing.assert_allclose(ends["first"]["image_insertion"], ends["last"]["image_deletion"])
    np.testing.assert_allclose(ends["last"]["text_insertion"], table.similarity, atol=1e-5)


@pytest.mark.parametrize("only", ["image", "text"])
def test_one_map_alone_has_its_own_curves(work, only):
    clip, ex, images = work
    both, one = nib.curves(clip, ex, points=3), nib.curves(clip, ex, points=3, only=only)
    columns = [name for name in both if name.startswith(only) or name == "similarity"]
    assert list(one) == columns and len(columns) == 4
    np.testing.assert_allclose(one, both[columns], atol=1e-6)
    assert {curve.split("_")[0] for curve in nib.curve_points(clip, ex, points=3, only=only).curve} == {only}
    half = nib.explain(clip, images, ex.captions, "random", only=only)  # which has no other map
    assert list(nib.curves(clip, half, points=3, only=only)) == columns
    with pytest.raises(ValueError, match="this explanation has no"):
        nib.curves(clip, half, points=3)


def test_the_objects_themselves_are_a_better_map_than_the_ground(work):
    pairs = nib.load_pairs("shapes", n=8, objects=1)
    masks = torch.from_numpy(np.stack([m[0] for m in pairs.masks])).float()
    flat = [torch.zeros(len(i)) for i in work[0].ids(list(pairs.caption))]
    for fill in ("mean", "blur", "zero"):
        right, wrong = (nib.curves(work[0], nib.explanation(work[0], list(pairs.image), list(pairs.caption), m, flat),
                                   fill=fill, points=4).mean() for m in (masks, 1 - masks))
        assert right.image_deletion_auc < wrong.image_deletion_auc - 0.1
        assert right.image_insertion_auc > wrong.image_insertion_auc + 0.1


@pytest.mark.parametrize("change, words", [
    (dict(fill="grey"), "fill is 'grey'; pass one of 'mean', 'blur', 'zero'"),
    (dict(words="gone"), "words is 'gone'; pass one of 'in place', 'left out'"),
    (dict(points=0), "points is 0"), (dict(only="words"), "only is 'words'; pass one of None, 'image', 'text'"),
])
def test_what_does_not_fit_is_refused(work, change, words):
    with pytest.raises(ValueError, match=words):
        nib.curves(*work[:2], **change)


class Similarity(torch.nn.Module):
    """A picture's cosine with its caption, as a classifier of as many classes as captions."""

    def __init__(self, clip, captions):
        super().__init__()
        self.tower, self.text = clip.image, torch.nn.functional.normalize(captions, dim=-1)

    def forward(self, x):
        return torch.nn.functional.normalize(self.tower(x), dim=-1) @ self.text.T


def test_the_areas_are_those_of_quantus(work):
    """Region perturbation of quantus takes patches away, most relevant first; least relevant first is insertion."""
    quantus = pytest.importorskip("quantus", reason="quantus, an independent package, is not installed")
    clip, ex = work[:2]
    scores = torch.rand(5, 7, 7, generator=torch.Generator().manual_seed(4))
    got = nib.curves(clip, nib.explanation(clip, ex.pixels, ex.ids, scores, ex.text), points=49)
    pixel_map = scores.repeat_interleave(32, 1).repeat_interleave(32, 2)[:, None].numpy()
    falls = {}
    for order in ("morf", "lerf"):
        metric = quantus.RegionPerturbation(patch_size=32, order=order, regions_evaluation=49, perturb_baseline=0.0,
                                            normalise=False, abs=False, disable_warnings=True)
        falls[order] = np.stack(metric(Similarity(clip, ex.features[1]).eval(), ex.pixels.numpy(), np.arange(5), pixel_map,
                                       device="cpu", channel_first=True, softmax=False))
    whole = ex.similarity.numpy()[:, None]
    curve = {order: whole - np.concatenate([np.zeros((5, 1)), fall], 1) for order, fall in falls.items()}
    np.testing.assert_allclose(got.image_deletion_auc, np.trapezoid(curve["morf"], dx=1 / 49, axis=1), atol=1e-5)
    np.testing.assert_allclose(got.image_insertion_auc, np.trapezoid(curve["lerf"], dx=1 / 49, axis=1), atol=1e-5)
