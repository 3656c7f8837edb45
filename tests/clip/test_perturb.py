"""Parts taken away: tokens put together are pixels put together, a word gone is a row of zeros, nothing else moves."""
import pytest
import tiny
import torch

import nib_utils as nib
from nib_utils.clip.captions import pad
from nib_utils.clip.perturb import Perturbed


@pytest.fixture(scope="module")
def pairs():
    return nib.load_pairs("shapes", n=3, seed=5)


@pytest.mark.parametrize("base", [None, 0.7])
def test_patches_put_together_as_tokens_are_those_put_together_as_pixels(clip, pairs, base):
    x, generator = clip.pixels(list(pairs.image)), torch.Generator().manual_seed(0)
    keep, other = torch.rand(3, 49, generator=generator) < 0.4, None if base is None else torch.full_like(x, base)
    got = Perturbed(clip.image, x, other).feature(keep, torch.arange(3))
    mask = keep.view(3, 1, 7, 7).repeat_interleave(32, 2).repeat_interleave(32, 3)
    torch.testing.assert_close(got, clip.image(torch.where(mask, x, torch.tensor(base or 0.0))), atol=2e-5, rtol=1e-4)


def test_a_word_that_is_gone_is_a_row_of_zeros_at_its_place(clip, pairs):
    ids = clip.ids(list(pairs.caption))
    captions = Perturbed(clip.text, pad(ids))
    for b, caption in enumerate(ids):
        words = len(caption) - 2
        keep = torch.ones(1, captions.parts, dtype=torch.bool)
        keep[0, [1, words - 1]] = False
        got = captions.feature(keep, torch.tensor([b]))
        tokens = clip.text.parts["vocabulary"][caption] * torch.ones(len(caption), 1).index_fill(
            0, torch.tensor([2, words]), 0) + clip.text.parts["positions"][: len(caption)]
        by_hand = clip.text.finish(clip.text.pre(tokens[None]), 0, torch.tensor([words + 1]))
        torch.testing.assert_close(got, by_hand, atol=2e-5, rtol=1e-4)


def test_with_everything_kept_it_is_the_input_and_padding_is_no_part(clip, pairs):
    x, ids = clip.pixels(list(pairs.image)), clip.ids(list(pairs.caption))
    for tower, given in ((clip.image, x), (clip.text, pad(ids))):
        some = Perturbed(tower, given)
        every = torch.ones(3, some.parts, dtype=torch.bool)
        torch.testing.assert_close(some.feature(every, torch.arange(3)), tower(given), atol=2e-5, rtol=1e-4)
        beyond = every & (torch.arange(some.parts) < some.count[:, None])  # what is no part of a shorter caption
        torch.testing.assert_close(some.feature(beyond, torch.arange(3)), some.feature(every, torch.arange(3)))


def test_any_number_of_perturbations_of_any_input(clip, pairs):
    some = Perturbed(clip.image, clip.pixels(list(pairs.image)))
    keep, rows = torch.rand(150, 49, generator=torch.Generator().manual_seed(1)) < 0.5, torch.arange(150) % 3
    one = torch.cat([some.feature(k[None], r[None]) for k, r in zip(keep[:7], rows)])
    torch.testing.assert_close(some.feature(keep, rows)[:7], one, atol=2e-5, rtol=1e-4)


def test_a_shorter_caption_has_fewer_parts(clip):
    ids = [torch.tensor([tiny.SOS, 320, 1000, 2000, tiny.EOS]), torch.tensor([tiny.SOS, 320, tiny.EOS])]
    some = Perturbed(clip.text, pad(ids))
    assert some.count.tolist() == [3, 1] and some.parts == 3


def test_what_is_equal_is_run_once_and_captions_without_the_padding_of_longer_ones(clip, monkeypatch):
    ids = [torch.tensor([tiny.SOS, *words, tiny.EOS]) for words in ((320, 1000, 2000, 600), (320,), (500, 700))]
    some, shapes = Perturbed(clip.text, pad(ids)), []
    finish = clip.text.finish
    keep, rows = torch.rand(60, 4, generator=torch.Generator().manual_seed(2)) < 0.5, torch.arange(60) % 3
    alone = torch.cat([Perturbed(clip.text, ids[r][None]).feature(k[None, : len(ids[r]) - 2], torch.zeros(1).long())
                       for k, r in zip(keep, rows)])  # each by itself, without any padding
    monkeypatch.setattr("nib_utils.clip.perturb.rows_at_once", lambda h: 3)
    monkeypatch.setattr(clip.text, "finish", lambda h, *rest: shapes.append(tuple(h.shape[:2])) or finish(h, *rest))
    torch.testing.assert_close(some.feature(keep, rows), alone, atol=2e-5, rtol=1e-4)
    asked = {(int(r), *k[: len(ids[r]) - 2].tolist()) for k, r in zip(keep, rows)}
    assert sum(n for n, _ in shapes) == len(asked) < 30
    assert [length for _, length in shapes] == sorted(length for _, length in shapes) and shapes[0][1] < 6
