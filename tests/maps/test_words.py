"""Words of an explanation: pieces put together, shares of the strongest, and what the model cannot know."""
from dataclasses import replace

import pytest
import torch

import nib_utils as nib
from nib_utils.maps.maps import shares


@pytest.fixture(scope="module")
def scene():
    return nib.load_pairs("shapes", n=1).image[0]


def words(clip, scene, caption, method="nib"):
    return nib.explain(clip, [scene], [caption], method).words()


def test_shares_keep_sign_and_zero():
    assert shares(torch.tensor([0.0, -4, 2])).tolist() == [0, -1, 0.5]
    assert shares(torch.tensor([3.0])).tolist() == [1] and shares(torch.tensor([-3.0])).tolist() == [-1]
    assert shares(torch.zeros(2)).tolist() == [0, 0] and shares(torch.tensor([4.0, 8])).tolist() == [0.5, 1]


def test_a_map_of_one_sign_begins_at_its_least():
    located = lambda *values: [round(v, 3) for v in shares(torch.tensor(values), located=True).tolist()]
    assert located(2.0, 3, 4)[0] == 0 and located(-2.0, -4)[0] == 0 and located(-2.0, -4)[1] == -1
    assert located(-1.0, 0, 0.5)[1] == 0 and located(1.0, 1) == [1, 1] and located(0.0, 0) == [0, 0]
    spiked = torch.cat([torch.linspace(-1, 1, 999), torch.tensor([1000.0])])  # a single pixel leaves the rest to be seen
    assert shares(spiked, located=True)[-2] > 0.9 and shares(spiked, located=True).max() == 1


def test_pieces_become_words_and_their_scores_add_up(clip, scene):
    ex = nib.explain(clip, [scene], ["a Zebra gallops, striped"])
    assert ex.tokens[0][1:-1] == ["a", "zebra", "gallo", "ps", ",", "striped"]
    found = ex.words()
    assert [word.text for word in found] == ["a", "zebra", "gallops", ",", "striped"]
    raw = ex.text_scores[0]
    assert found[2].score == pytest.approx(float(raw[3] + raw[4])) and found[4].score == pytest.approx(float(raw[6]))
    assert sum(word.score for word in found) == pytest.approx(float(raw[1:-1].sum()), abs=1e-6)
    assert [word.known for word in found] == [True, False, False, True, True]
    assert max(abs(word.share) for word in found) == 1
    assert all((word.share > 0) == (word.score > 0) for word in found)


def test_any_script(clip, scene):
    said = [word.text for word in words(clip, scene, "一只猫 القطة ямщик naïve 안녕 세계 नम 😀")]
    assert said == ["一", "只", "猫", "القطة", "ямщик", "naïve", "안녕", "세계", "नम", "😀"]


def test_a_word_alone_is_not_the_least_and_two_are_not_black_and_white(clip, scene):
    assert abs(words(clip, scene, "star")[0].share) == 1
    ex = nib.explain(clip, [scene], ["red star"])
    near = replace(ex, text_scores=[torch.tensor([5.0, 0.20, 0.19, 9.0])])
    assert [round(word.share, 2) for word in near.words()] == [1, 0.95]


def test_a_tokenizer_that_only_knows_single_words(clip):
    own = replace(clip.tokenizer, decode=None)
    spans = own.spans(own.encode("gallops, a star"))
    assert [said for said, _ in spans] == ["gallo", "ps", ",", "a", "star"]
    assert [place.start for _, place in spans] == [1, 2, 3, 4, 5]


def test_truncated_captions_and_ids_have_words(clip, scene):
    ids = clip.ids(["a red star"])[0]
    assert [word.text for word in nib.explain(clip, [scene], [ids]).words()] == ["a", "red", "star"]
    long = nib.explain(clip, [scene], ["a red star " * 30], "random", truncate=True)
    assert len(long.words()) == clip.context - 2
