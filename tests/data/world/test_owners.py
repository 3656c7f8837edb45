"""Words and the objects they belong to: as the captions and the tokeniser have them."""
import numpy as np
import pytest

import nib_utils as nib


@pytest.mark.parametrize("world", ["shapes", "shapes-hard"])
def test_words_belong_to_the_object_whose_phrase_they_stand_in(clip, world):
    pairs = nib.load_pairs(world, n=30, seed=2)
    assert set(pairs.objects.map(len)) == {1, 2, 3, 4}
    for _, pair in pairs.iterrows():
        tokens = clip.tokenizer.words(clip.ids([pair.caption])[0].tolist())[1:-1]  # what ex.tokens are
        owners = nib.word_objects(pair)
        assert owners.shape == (len(tokens), len(pair.objects)) and owners.dtype == bool
        for thing, column in zip(pair.objects, owners.T):
            assert [word for word, own in zip(tokens, column) if own] == list(thing)
        assert {word for word, own in zip(tokens, owners.any(1)) if not own} <= {"a", "and", ","}
        said = [word for word, own in zip(tokens, owners.any(1)) if own]
        assert said == pair.content and owners.sum(1).max() == 1


def test_a_caption_by_hand():
    caption, by_hand = "a b c d e , a f g h i", np.zeros((11, 2), bool)
    by_hand[1:5, 0] = by_hand[7:, 1] = True
    assert len(caption.split()) == 11
    np.testing.assert_array_equal(nib.word_objects({"objects": [tuple("bcde"), tuple("fghi")]}), by_hand)


@pytest.mark.parametrize("pair", [{"caption": "a cat"}, "a red star", None, nib.load_pairs("shapes", n=2)])
def test_what_was_not_drawn_is_refused(pair):
    with pytest.raises(ValueError, match="without a list of objects; pass one row"):
        nib.word_objects(pair)
