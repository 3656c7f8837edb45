"""Training `mini`: an interrupted run is the unbroken one, the file is read as it was written, labels are the truth."""
import numpy as np
import pandas as pd
import pytest
import torch

import nib_utils as nib
from nib_utils.clip.captions import clip_bpe
from nib_utils.data.world import scenes as shapes
from nib_utils.data.world import train
from nib_utils.data.world.scenes import Thing
from nib_utils.loading import mini

SMALL = dict(steps=4, batch_size=6, most=2, hard_from=0.5)


def test_an_interrupted_training_goes_on_as_if_unbroken(tmp_path, monkeypatch):
    whole, log = train.train_mini(tmp_path / "whole", **SMALL)
    batch, calls = train.batch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return batch(*arguments)

    monkeypatch.setattr(train, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.train_mini(tmp_path / "broken", save_every=2, **SMALL)
    resumed, log2 = train.train_mini(tmp_path / "broken", **SMALL)
    assert len(calls) == 5  # two steps, the interruption, and only the two that were left
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        torch.testing.assert_close(a, b, msg=name)
    pd.testing.assert_frame_equal(log.drop(columns="seconds"), log2.drop(columns="seconds"))


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path):
    train.train_mini(tmp_path, steps=1, batch_size=2, most=1)
    with pytest.raises(ValueError, match="is of a training with seed = 0, not 1; .* remove the file"):
        train.train_mini(tmp_path, steps=1, batch_size=2, most=1, seed=1)


def test_the_loss_falls(tmp_path):
    _, log = train.train_mini(tmp_path, steps=14, batch_size=8, most=1, learning_rate=0.03)
    assert log.loss.tail(3).mean() < 0.9 * log.loss.head(3).mean()


def test_a_saved_mini_is_read_back(tmp_path):
    words = train.word_ids()
    model, _ = train.build(len(words))
    mini.save(model.state_dict(), list(words.values()), tmp_path / "mini.safetensors")
    clip = nib.load_clip(tmp_path / "mini.safetensors", device="cpu")
    text = "a small striped red star, a large plain white ring and a large dotted blue heart"
    ids, _ = train.tokenize([text], list(words))
    _, tower = train.towers(model.half().float().eval(), borrow=lambda p: p)
    torch.testing.assert_close(clip.encode_text(text), tower(ids).detach(), atol=1e-5, rtol=1e-4)
    assert (tmp_path / "mini.safetensors").stat().st_size < 20e6


def test_words_are_tokenised_as_clip_does():
    words = train.word_ids()
    for row in nib.load_pairs("shapes", n=20).caption:
        places, length = train.tokenize([row], list(words))
        assert [list(words.values())[i] for i in places[0]] == clip_bpe().encode(row)
        assert length.tolist() == [len(places[0])]


def test_labels_say_which_pairs_one_object_shows():
    things = [Thing("small", "plain", "red", "star"), Thing("large", "striped", "blue", "ring")]
    shown = {train.PAIRS[i] for i in train.labels([things])[0].nonzero().flatten().tolist()}
    assert len(shown) == 12
    assert ("colour", "red", "shape", "star") in shown and ("colour", "red", "shape", "ring") not in shown


def test_patch_labels_lie_on_the_object():
    scene = shapes.draw_scene(np.random.default_rng(3), count=1)
    said = train.patch_labels(scene).reshape(7, 7, -1)
    cover = scene.masks[0].reshape(7, 32, 7, 32).mean((1, 3))
    assert ((said.sum(-1) == 6) == (cover > 0.15)).all() and (said.sum(-1)[cover <= 0.15] == 0).all()


def test_negatives_are_untrue_and_captions_are_true():
    _, scenes, _, named = train.batch(np.random.default_rng(0), 24, 3, 4)
    untrue = train.untrue(named, scenes)
    assert untrue.shape == (24, 96) and not untrue[:, :24].diagonal().any()
    own_negatives = untrue.view(24, 4, 24)[:, 1:].diagonal(dim1=0, dim2=2)
    assert own_negatives.float().mean() > 0.95  # a changed part of a scene may name another of its objects


def test_training_never_sees_what_is_held_out():
    _, scenes, _, _ = train.batch(np.random.default_rng(1), 64, 0, 4)
    assert not any(shapes.is_held_out(thing) for things in scenes for thing in things)
