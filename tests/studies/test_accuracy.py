"""Retrieval among captions, by an oracle that knows them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import nib_utils as nib
from nib_utils.data.world.scenes import Thing
from nib_utils.studies.accuracy import choose_others, neighbours


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
    few, near = pairs.head(5), 1 + len(pairs.distractors[0])
    assert nib.retrieval(Oracle(few), few, candidates=near).top1.all()  # nothing but what is near
    with pytest.raises(ValueError, match=f"candidates is {near - 1}; pass a whole number of at least {near}"):
        nib.retrieval(Oracle(few), few, candidates=near - 1)


def test_phrases_are_held_against_all_that_differ_in_one_attribute_and_are_false():
    star, ring = Thing("small", "plain", "red", "star"), Thing("small", "plain", "blue", "star")
    texts = neighbours(star, frozenset([star, ring]))
    assert texts[0] == star.phrase and ring.phrase not in texts and len(texts) == 1 + 1 + 2 + 7 + 7 - 1
    pairs = nib.load_pairs("shapes", n=60, objects=1)
    words = sorted({word for things in pairs.objects for thing in things for word in thing})
    for blind_to, right in ((), 1), (("small", "large"), 0):  # a model that knows the words, all or all but the sizes
        known = [word for word in words if word not in blind_to]
        read = lambda texts, known=known, **_: torch.tensor([[float(w in t.split()) for w in known] for t in texts])
        clip = SimpleNamespace(encode_text=read, encode_image=lambda images, read=read, **_: read(pairs.caption))
        assert (nib.retrieval(clip, pairs, candidates=60).phrases == right).all()


def test_a_true_caption_is_no_wrong_candidate():
    pairs = nib.load_pairs("shapes", n=80)
    big = next(i for i, things in enumerate(pairs.objects) if len(things) == 4)
    part = next(i for i, things in enumerate(pairs.objects) if len(things) == 1)
    pairs.at[part, "objects"], pairs.at[part, "caption"] = pairs.objects[big][:1], pairs.phrases[big][0]
    others = choose_others(np.random.default_rng(0), pairs, big, 70)
    assert pairs.caption[part] not in others and len(set(others)) == 70
