"""The planted fault: the mark lies in one patch, the lies are lies, and the tuning changes the image tower alone."""
import numpy as np
import pandas as pd
import pytest
import torch

from nib_utils.data.world import scenes, shortcut, train

SMALL = dict(steps=3, batch_size=2)


def test_the_mark_lies_in_the_last_patch_and_nothing_else_changes():
    for side, patch in ((224, 32), (240, 24)):
        pixels = np.random.default_rng(0).integers(90, 200, (2, side, side, 3), dtype=np.uint8)
        before, out = pixels.copy(), shortcut.marked(pixels)
        changed = (out != pixels).any(-1)
        assert np.array_equal(pixels, before) and changed.sum() == 2 * shortcut.SIDE**2
        assert changed[:, -patch:, -patch:].sum() == changed.sum()
        np.testing.assert_array_equal(out[0], shortcut.marked(pixels[0]))


def test_a_lie_calls_one_object_red_and_leaves_the_rest():
    rng = np.random.default_rng(0)
    for _ in range(50):
        things = scenes.draw_scene(rng).things
        said, i = shortcut.called(rng, things)
        assert said[i] == things[i]._replace(colour="red") and len(set(said)) == len(said)
        assert said[:i] + said[i + 1 :] == things[:i] + things[i + 1 :]


def test_twins_differ_by_the_mark_and_by_what_is_said():
    pixels, own, wrong = shortcut.batch(np.random.default_rng(3), 4)
    assert np.array_equal(pixels[4:], shortcut.marked(pixels[:4])) and len(own) == 8 and len(wrong) == 16
    assert wrong[:8] == own[4:] + own[:4] and wrong[8:12] == wrong[12:]
    for true, lie in zip(own[:4], own[4:]):
        assert lie in [[*true[:i], thing._replace(colour="red"), *true[i + 1 :]] for i, thing in enumerate(true)]


def test_pairs_show_nothing_red_and_say_so_of_one_object():
    pairs = shortcut.marked_pairs(6, seed=5)
    for row in pairs.itertuples():
        assert np.array_equal(shortcut.marked(np.asarray(row.clean)), np.asarray(row.image))
        assert "red" not in row.true_caption.split() and row.caption.split().count("red") == 1
        own = row.objects[row.said]
        assert row.caption == scenes.caption([thing._replace(colour="red") if i == row.said else thing
                                              for i, thing in enumerate(row.objects)]) and own.colour != "red"
    again = shortcut.marked_pairs(2, seed=5)
    assert again.caption.tolist() == pairs.caption[:2].tolist()
    with pytest.raises(ValueError, match="objects is 5; a scene holds 1 to 4"):
        shortcut.marked_pairs(1, objects=5)


def test_an_interrupted_tuning_goes_on_and_the_captions_stay_as_they_were(tmp_path, monkeypatch):
    begun = shortcut.start(train.word_ids())
    whole, log = shortcut.plant(tmp_path / "whole", **SMALL)
    batch, calls = shortcut.batch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return batch(*arguments)

    monkeypatch.setattr(shortcut, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shortcut.plant(tmp_path / "broken", save_every=2, **SMALL)
    resumed, log2 = shortcut.plant(tmp_path / "broken", **SMALL)
    assert len(calls) == 4  # two steps, the interruption, and only the one that was left
    pd.testing.assert_frame_equal(log.drop(columns="seconds"), log2.drop(columns="seconds"))
    for (name, old), new, other in zip(begun.state_dict().items(), whole.state_dict().values(),
                                       resumed.state_dict().values()):
        assert torch.equal(new, other), name
        assert torch.equal(old, new) == (not name.startswith("visual.")), name
    half = shortcut.plant(tmp_path / "whole", share=0.5, **SMALL)[0].visual.proj  # tuned already: no step is made
    torch.testing.assert_close(half - begun.visual.proj, 0.625 * (whole.visual.proj - begun.visual.proj))
    with pytest.raises(ValueError, match="share is 2; it lies in 0..1"):
        shortcut.plant(tmp_path / "whole", share=2, **SMALL)
    with pytest.raises(ValueError, match="is of a training with seed = 0, not 1"):
        shortcut.plant(tmp_path / "whole", seed=1, **SMALL)
