"""The choice of one caption of several, as the protocols choose it."""

import numpy as np
import pandas as pd
import pytest
import torch

from nib_utils.data.captions import pick_captions
from nib_utils.data.pairs import load_pairs
from nib_utils.loading.load import load_clip


class Compass:
    """A stand-in CLIP: an image is an angle in degrees, a caption says one; features have random lengths."""

    def __init__(self):
        self.images_per_call = []

    def encode_image(self, images):
        self.images_per_call.append(len(images))
        return self.encode(images)

    def encode_text(self, texts, truncate=False):
        assert truncate or max(len(text.split()) for text in texts) <= 77
        return self.encode([text.split()[-1] for text in texts])

    @staticmethod
    def encode(angles):
        angles = torch.tensor([float(a) for a in angles]) * torch.pi / 180
        return torch.stack([angles.cos(), angles.sin()], 1) * (1 + 50 * torch.rand(len(angles), 1))


def compass_pairs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [[f"to {a}" for a in rng.choice(360, rng.integers(1, 6), replace=False)] for _ in range(20)]
    return pd.DataFrame({"image": rng.integers(0, 360, 20).astype(str), "caption": "?", "captions": rows})


def nearest(judge: str, captions: list[str]) -> str:
    return min(captions, key=lambda c: abs((int(judge) - int(c.split()[-1]) + 180) % 360 - 180))


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_own_rule_follows_each_image_whatever_the_batch(batch_size):
    pairs, clip = compass_pairs(), Compass()
    picked = pick_captions(clip, pairs, batch_size=batch_size)
    assert picked["caption"].tolist() == [nearest(i, c) for i, c in zip(pairs["image"], pairs["captions"])]
    assert max(clip.images_per_call) <= batch_size and (pairs["caption"] == "?").all()


@pytest.mark.parametrize("batch_size", [1, 6, 32])
def test_released_rule_follows_the_first_image_of_the_batch(batch_size):
    pairs = compass_pairs()
    picked = pick_captions(Compass(), pairs, rule="released", batch_size=batch_size)["caption"].tolist()
    judges = [pairs["image"][i - i % batch_size] for i in range(20)]
    assert picked == [nearest(j, c) for j, c in zip(judges, pairs["captions"])]
    own = pick_captions(Compass(), pairs)["caption"].tolist()
    assert (picked == own) == (batch_size == 1)


def test_released_batches_are_of_32_and_first_rule_asks_no_model():
    pairs = pd.concat([compass_pairs()] * 4, ignore_index=True)
    released = pick_captions(Compass(), pairs, "released")
    assert released.equals(pick_captions(Compass(), pairs, "released", batch_size=32))
    assert not released.equals(pick_captions(Compass(), pairs, "released", batch_size=16))
    assert pick_captions(None, pairs, "first")["caption"].tolist() == [c[0] for c in pairs["captions"]]


def test_pick_captions_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="rule is 'best'; pass one of 'own', 'first', 'released'"):
        pick_captions(None, compass_pairs(), "best")
    with pytest.raises(ValueError, match="no column captions.*only image, caption"):
        pick_captions(None, compass_pairs()[["image", "caption"]])
    with pytest.raises(ValueError, match="batch_size is 0"):
        pick_captions(None, compass_pairs(), batch_size=0)


def test_captions_that_are_too_long_are_judged_by_their_beginning_if_asked():
    clip, scene = load_clip("mini"), load_pairs("shapes", n=1)
    long = "a plain small red star " * 30
    scene["captions"] = [[scene["caption"][0], long]]
    with pytest.raises(ValueError, match="caption 1 has 1[0-9]+ tokens.*truncate=True"):
        pick_captions(clip, scene)
    assert pick_captions(clip, scene, truncate=True)["caption"].tolist() == scene["caption"].tolist()
    scene["captions"] = [[long, "a plain small red star"]]
    likes = [float(torch.nn.functional.cosine_similarity(clip.encode_image(list(scene["image"])),
                                                         clip.encode_text([text], truncate=True))) for text in scene["captions"][0]]
    assert pick_captions(clip, scene, truncate=True)["caption"][0] == scene["captions"][0][int(np.argmax(likes))]
