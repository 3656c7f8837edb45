"""ROAR in its light form: what is removed, what is trained, what is left alone, and that it measures something."""
import numpy as np
import pandas as pd
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.studies.roar import HeldOut, contrastive, fine_tune, remove, streams


@pytest.fixture(scope="module")
def train():
    return nib.load_pairs("shapes", n=48, seed=7)


def test_the_best_patches_become_the_mean_colour():
    x, scores, chance = torch.ones(2, 3, 8, 8), torch.arange(32.0).view(2, 4, 4), torch.rand(2, 4, 4)
    scores[1] = -scores[1]
    left = remove(x, scores, chance, 0.25)
    assert (left[0, :, :6] == 1).all() and (left[0, :, 6:] == 0).all()  # patches 12..15 of the first: the last row
    assert (left[1, :, :2] == 0).all() and (left[1, :, 2:] == 1).all()
    assert torch.equal(remove(x, scores, chance, 0.0), x) and not remove(x, scores, chance, 1.0).any()
    tied = remove(x, torch.zeros(2, 4, 4), chance, 0.5)
    best = torch.nn.functional.avg_pool2d(1 - tied[:, :1], 2)[:, 0].bool()
    assert (best.flatten(1).sum(1) == 8).all() and not torch.equal(best[0], best[1])


def test_the_loss_is_that_of_clip():
    u, v = torch.randn(4, 8), torch.randn(4, 8)
    logits = 10 * torch.nn.functional.normalize(u, dim=1) @ torch.nn.functional.normalize(v, dim=1).T
    expected = -(logits.log_softmax(1).diag().mean() + logits.log_softmax(0).diag().mean()) / 2
    torch.testing.assert_close(contrastive(u, v, torch.tensor(10.0).log()), expected)
    twice = contrastive(u[:2], v[[0, 0]], torch.tensor(1.0))
    assert twice == 0  # one caption twice: nothing to tell apart


@pytest.mark.parametrize("make", [tiny.openai, tiny.open_clip, tiny.hf])
def test_only_the_top_of_the_image_tower_is_trained(make):
    model = make(layers=3)
    clip, x = nib.wrap(model), tiny.pixels(6)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    text = torch.randn(6, 32)
    tuned, changed = fine_tune(clip, streams(clip, x, 2), text, 2, 2, 1e-3, 3, seed=0)
    assert changed > 1e-4 and all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    moved = {name for name, p in tuned.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved and not any(part in name for name in moved for part in ("layers.0", "layers.1", "resblocks.0", "resblocks.1"))
    assert all(name.startswith(("visual", "vision_model")) for name in moved)
    assert {"visual.proj", "visual_projection.weight"} & moved and not any(t.requires_grad for t in (tuned.image.project.weight,))
    old, new = (contrastive(c.encode_image(x), text, c.logit_scale) for c in (clip, tuned))
    assert new < old


def test_accuracy_by_hand(clip):
    test = nib.load_pairs("shapes", n=16, seed=3)
    blurred = test.assign(image=[image.resize((56, 56)).resize((224, 224)) for image in test.image])
    unit, found = lambda f: torch.nn.functional.normalize(f, dim=1), []
    own, hard = unit(clip.encode_text(list(test.caption))), [unit(clip.encode_text(d)) for d in test.distractors]
    for pairs in (test, blurred):
        accuracy, loss = HeldOut(clip, pairs, 10).score(clip)
        u = unit(clip.encode_image(list(pairs.image)))
        first = [test.caption[(u[i] @ own.T).argmax().item()] == test.caption[i] for i in range(16)]
        right = [first[i] and (u[i] @ own[i] > (hard[i] @ u[i]).max()).item() for i in range(16)]
        assert accuracy == pytest.approx(np.mean(right))
        assert loss == pytest.approx(contrastive(u, own, clip.logit_scale).item(), rel=1e-4)
        found.append(accuracy)
    assert 0 < found[1] < found[0]


def test_equal_captions_are_no_rivals(clip):
    """Two pictures of one caption: neither can lose to the other, whatever the order."""
    test = nib.load_pairs("shapes", n=6, seed=3).drop(columns="distractors")
    twice = pd.concat([test, test.head(2)], ignore_index=True)
    held, single = HeldOut(clip, twice, 10), HeldOut(clip, test, 10)
    u, v = (torch.nn.functional.normalize(f, dim=1) for f in (clip.encode_image(list(test.image)), single.own))
    right = torch.tensor([(u[i] @ v.T).argmax().item() == i for i in range(6)])
    assert single.score(clip)[0] == pytest.approx(right.float().mean().item())
    assert held.score(clip)[0] == pytest.approx((right.sum() + right[:2].sum()).item() / 8)


def test_removing_the_objects_costs_more_than_removing_the_ground(clip, train):
    test = nib.load_pairs("shapes", n=30, seed=3).drop(columns="distractors")
    objects = torch.from_numpy(np.stack([masks.any(0) for masks in train.masks])).float()
    weights = [p.detach().clone() for p in clip.model.parameters()]
    table = nib.roar(clip, train, test, {"objects": objects, "ground": -objects}, learning_rate=3e-3)
    assert table.method.tolist() == ["objects", "ground", "random", "nothing removed"]
    loss = table.set_index("method").loss_after
    assert loss["objects"] > loss["random"] > loss["ground"] and loss["objects"] > 1.5 * loss["nothing removed"]
    assert table.accuracy_before.nunique() == 1 and table[["accuracy_before", "accuracy_after"]].stack().between(0, 1).all()
    assert all(torch.equal(p, old) for p, old in zip(clip.model.parameters(), weights))
    again = nib.roar(clip, train, test, {}, learning_rate=3e-3)
    pd.testing.assert_frame_equal(again, table.tail(2).reset_index(drop=True))


@pytest.mark.parametrize("rows", [[0], [0, 0, 0]])
def test_one_caption_has_nothing_to_be_preferred_to(clip, train, rows):
    with pytest.raises(ValueError, match="the test pairs have one caption only; pass pairs with different ones"):
        nib.roar(clip, train, train.iloc[rows].reset_index(drop=True), {})


@pytest.mark.parametrize("maps, options, words", [
    ({"nib": torch.ones(3, 7, 7)}, {}, r"maps of 'nib' have shape \(3, 7, 7\); pass \(B, H, W\) for 48"),
    ({"nib": torch.full((48, 7, 7), torch.nan)}, {}, "maps of 'nib' contain NaN"),
    ({}, dict(share=1.2), "share is 1.2; it lies in 0..1"),
    ({}, dict(epochs=0), "epochs is 0"),
    ({}, dict(trainable=13), "trainable is 13, but the image tower has 12 blocks"),
])
def test_bad_input_gets_one_clear_sentence(clip, train, maps, options, words):
    with pytest.raises(ValueError, match=words):
        nib.roar(clip, train, train, maps, **options)
