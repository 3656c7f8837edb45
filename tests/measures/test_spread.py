"""Shards: the rows of one process to the bit, and chunks that are not cut."""
import os

import pandas as pd
import pytest
import torch

import nib_utils as nib
from nib_utils.measures.spread import clip_of, shard, spans


@pytest.fixture
def one_thread(monkeypatch):
    """As a worker of two on two cores has it."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def same(found, expected):
    pd.testing.assert_frame_equal(found.drop(columns="explain_seconds"), expected.drop(columns="explain_seconds"), check_exact=True)


@pytest.mark.parametrize("n, chunk, workers", [(100, 40, 2), (7, 3, 2), (7, 3, 5), (1, 40, 2), (80, 40, 3), (0, 5, 2), (9, 1, 4)])
def test_every_pair_is_in_one_span_of_whole_chunks(n, chunk, workers):
    found = spans(n, chunk, workers)
    assert [i for first, last in found for i in range(first, last)] == list(range(n))
    assert len(found) <= workers and all(first % chunk == 0 for first, _ in found)


def test_two_processes_give_the_rows_of_one(one_thread):
    """With a method that draws, so that a pair's seed must not depend on its shard."""
    pairs, options = nib.load_pairs("shapes", n=4), dict(seed=3, chunk=2, image_options={"seed": 5}, measures=["published"])
    expected = nib.evaluate(clip_of("mini"), pairs, "random", **options)
    same(nib.evaluate_spread("mini", pairs, "random", workers=2, **options), expected)
    assert expected.published_image_drop.nunique() > 1


def test_a_list_of_seeds_is_parted_with_the_pairs(one_thread):
    """In one process, shard by shard."""
    pairs, seeds = nib.load_pairs("shapes", n=2), [7, 1]
    expected = nib.evaluate(clip_of("mini"), pairs, "random", chunk=1, measures=["published"], image_options={"seed": seeds})
    parts = [shard("mini", pairs.iloc[i : i + 1], "random", dict(seed=i, measures=["published"], image_options={"seed": [seeds[i]]}))
             for i in range(2)]
    same(pd.concat(parts, ignore_index=True), expected)


def test_what_is_wrong_is_said_by_the_pairs_of_the_shard():
    pairs = nib.load_pairs("shapes", n=3).assign(image=["a.png", "b.png", "c.png"])
    with pytest.raises(FileNotFoundError, match="^image 0: there is no file at 'a.png'"):
        nib.evaluate_spread("mini", pairs, "random", workers=1, chunk=1)
    with pytest.raises(ValueError, match="chunk is 0"):
        nib.evaluate_spread("mini", pairs, "random", chunk=0)
    with pytest.raises(ValueError, match="no method is called 'nob'"):
        nib.evaluate_spread("mini", pairs, "nob", workers=1)
    with pytest.raises(ValueError, match="the engine is 'rya'"):
        nib.evaluate_spread("mini", pairs, "random", engine="rya")
