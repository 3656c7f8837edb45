"""Randomised models, other captions and other seeds: the measures do what they say, by hand and on three libraries."""
import numpy as np
import pandas as pd
import pytest
import scipy
import tiny
import torch

import nib_utils as nib
from nib_utils.studies import sanity
from nib_utils.studies.copies import weights


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=6)


def test_rank_correlation_is_that_of_the_ranks_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, (7, 7)), rng.random((7, 7))
    shared = [[(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x] for x in (a.ravel(), b.ravel())]  # counted out
    assert sanity.spearman(a, b) == pytest.approx(np.corrcoef(shared)[0, 1], abs=1e-12)
    assert sanity.spearman(b, b**3) == pytest.approx(1) and sanity.spearman(b, -b) == pytest.approx(-1)
    assert np.isnan(sanity.spearman(np.ones(4), [1, 2, 3, 4])) and sanity.spearman(np.ones(4), np.ones(4)) == 1
    assert np.isnan(sanity.spearman([1], [2])) and np.isnan(sanity.spearman([1, np.nan, 2], [1, 2, 3]))


@pytest.mark.parametrize("make", [tiny.openai, tiny.open_clip, tiny.hf])
def test_a_randomised_copy_is_random_in_its_last_blocks_alone(make):
    model = make(layers=3)
    clip, x, ids = nib.wrap(model, name="tiny"), tiny.pixels(2), tiny.captions()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    copy = nib.randomised(clip, "image", 2, seed=1)
    assert copy.name == "tiny (image, 2 random)" and copy.model is not model
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    changed = {name for name, p in copy.model.named_parameters() if not torch.equal(p, before[name])}
    lasting = {name for name in before if any(f"{part}.{i}." in name for part in ("resblocks", "layers") for i in (1, 2))
               and not name.startswith(("transformer.", "text_model."))}
    assert changed == lasting and changed
    for old, new in zip(weights(clip.image.blocks[2]), weights(copy.image.blocks[2])):
        if old.numel() > 2000:
            assert new.std().item() == pytest.approx(old.std().item(), rel=0.1) and abs(np.corrcoef(old.numpy().ravel(), new.numpy().ravel())[0, 1]) < 0.1
    torch.testing.assert_close(clip.image.stream(x, 1), copy.image.stream(x, 1), rtol=0, atol=0)
    for ours, theirs in zip((copy.encode_image(x), copy.encode_text(ids)), tiny.features(copy.model, x, tiny.padded(ids))):
        torch.testing.assert_close(ours[:2], theirs[:2].detach(), rtol=1e-4, atol=1e-4)  # the library's model agrees


def test_one_more_block_keeps_those_above_it(clip):
    few, more, other = (nib.randomised(clip, "both", *given) for given in ((1, 5), (2, 5), (1, 6)))
    for tower in ("image", "text"):
        first, second, third = (getattr(c, tower).blocks[-1].fc1.weight for c in (few, more, other))
        assert torch.equal(first, second) and not torch.equal(first, third)
    assert not torch.equal(few.image.blocks[-1].fc1.weight, few.text.blocks[-1].fc1.weight)


def test_no_random_block_changes_nothing_and_twelve_change_the_map(clip, pairs):
    rows = nib.randomisation(clip, pairs, "nib", steps=(0, 12), towers=("image", "text"))
    assert rows.columns.tolist() == ["tower", "blocks", "pair", "image_spearman", "text_spearman", "similarity"]
    same, changed = rows[rows.blocks == 0], rows[rows.blocks == 12].groupby("tower").mean()
    assert (same[["image_spearman", "text_spearman"]] == 1).all(axis=None) and len(same) == 12
    assert changed.loc["image", "image_spearman"] < 0.6 and changed.loc["text", "text_spearman"] < 0.6
    blind = nib.randomisation(clip, pairs.head(2), "centre", steps=(12,), towers=("both",))
    assert (blind[["image_spearman", "text_spearman"]] == 1).all(axis=None)  # it never looked at the model


def test_other_captions_are_of_the_kind_that_they_are_called(clip, pairs):
    rows = nib.prompt_sensitivity(clip, pairs, "nib").set_index(["kind", "pair"])
    assert set(rows.index.get_level_values("kind")) == {"own", "wrong", "shuffled", "other"}
    for i, pair in enumerate(pairs.itertuples()):
        own, wrong, shuffled, other = (rows.caption[kind, i] for kind in ("own", "wrong", "shuffled", "other"))
        assert own == pair.caption and rows.spearman["own", i] == 1
        assert sum(u != v for u, v in zip(own.split(), wrong.split())) == 1 and wrong in pair.distractors
        assert shuffled != own and sorted(shuffled.split()) == sorted(own.replace(",", " ,").split())
        assert other in set(pairs.caption) - {own}
        ex = nib.explain(clip, [pair.image], [other])
        scores = ex.image_scores[0].numpy()
        assert rows.strength["other", i] == pytest.approx(scores[scores > 0].sum(), rel=1e-3)
        assert rows.similarity["other", i] == pytest.approx(ex.similarity.item(), abs=1e-5)
    mean = rows.groupby("kind").mean(numeric_only=True)
    assert mean.similarity["own"] == mean.similarity.max() and mean.spearman["wrong"] > mean.spearman["other"]


def test_pairs_of_a_csv_have_no_wrong_caption_and_one_caption_no_other(clip, pairs):
    bare = pd.DataFrame({"image": pairs.image, "caption": pairs.caption})
    assert set(nib.prompt_sensitivity(clip, bare, "centre").kind) == {"own", "shuffled", "other"}
    with pytest.raises(ValueError, match="no pair has another caption than 'a small red star'"):
        nib.prompt_sensitivity(clip, bare.assign(caption="a small red star"), "centre")


def test_seeds_move_random_maps_wholly_and_nib_not_at_all(clip, pairs):
    still = nib.seed_variance(clip, pairs, "nib")
    assert (still[["image_spearman", "text_spearman"]] == 1).all(axis=None)
    assert not still[["image_std", "text_std"]].any(axis=None)
    chance = nib.seed_variance(clip, pairs, "random", seeds=range(12)).mean()
    assert abs(chance.image_spearman) < 0.1 and abs(chance.text_spearman) < 0.15
    assert 0.1 < chance.image_std < 0.29  # upsampled, so a little less than that of uniform chance
    noisy = nib.seed_variance(clip, pairs.head(2), "m2ib", seeds=(0, 1))
    assert noisy.image_spearman.between(0.5, 0.9999).all() and (noisy.image_std > 0).all()


def test_seed_variance_by_hand(clip, pairs):
    one, two = (nib.explain(clip, list(pairs.image[:2]), list(pairs.caption[:2]), "random", seed=s) for s in (3, 9))
    got = nib.seed_variance(clip, pairs.head(2), "random", seeds=(3, 9))
    for i in range(2):
        expected = scipy.stats.spearmanr(one.image_scores[i].flatten(), two.image_scores[i].flatten()).statistic
        assert got.image_spearman[i] == pytest.approx(expected)
        assert got.image_std[i] == pytest.approx(float((one.image[i] - two.image[i]).abs().mean()) / 2**0.5, rel=1e-4)


def test_towers_of_unequal_depth_are_randomised_as_far_as_each_goes():
    clip, pairs = nib.wrap(tiny.openai(vision_layers=5, transformer_layers=3)), nib.load_pairs("shapes", n=2)
    rows = nib.randomisation(clip, pairs, "nib")
    assert {tower: sorted(set(part.blocks)) for tower, part in rows.groupby("tower")} == {
        "image": [1, 2, 4, 5], "text": [1, 2, 3], "both": [1, 2, 3]}
    with pytest.raises(ValueError, match="blocks is 4, but the text tower has 3"):
        nib.randomisation(clip, pairs, "nib", steps=(4,), towers=("text",))


def test_the_nearest_distractor_is_the_wrong_caption():
    own = "a small red star"
    assert sanity.one_word_off(own, ["a large blue ring", "a small blue ring", "a small blue star"]) == "a small blue star"
    assert sanity.one_word_off(own, ["a large blue ring", "a small blue ring"]) == "a small blue ring"
    assert sanity.one_word_off(own, ["a small plain red star", "a small red star and"]) == "a small red star and"
    with pytest.raises(ValueError, match="the caption 'a small red star' has no distractors"):
        sanity.one_word_off(own, [])


@pytest.mark.parametrize("call, words", [
    (lambda clip, pairs: nib.randomised(clip, "images"), "tower is 'images'; pass one of 'image', 'text', 'both'"),
    (lambda clip, pairs: nib.randomised(clip, "image", 13), "blocks is 13, but the image tower has 12"),
    (lambda clip, pairs: nib.randomised(clip, "image", 1.5), "blocks is 1.5"),
    (lambda clip, pairs: nib.seed_variance(clip, pairs, seeds=[4, 4]), r"seeds are \[4, 4\]; pass at least two"),
    (lambda clip, pairs: nib.randomisation(clip, pairs.drop(columns="image")), "lack the column 'image'"),
])
def test_bad_input_gets_one_clear_sentence(clip, pairs, call, words):
    with pytest.raises(ValueError, match=words):
        call(clip, pairs)
