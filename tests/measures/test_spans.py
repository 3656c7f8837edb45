"""Spans: maps that are the objects' own masks point at them, others do not."""
from types import SimpleNamespace

import pytest
import torch

import nib_utils as nib
from nib_utils.measures.masks import seen


@pytest.fixture(scope="module")
def drawn():
    clip, pairs = nib.load_clip("mini"), nib.load_pairs("shapes", n=2, objects=2, seed=3)
    masks = [[torch.from_numpy(seen(mask, pair.image, "", clip.preprocess)).float() for mask in pair.masks]
             for pair in pairs.itertuples()]
    return clip, pairs, masks


def said(pairs, masks, turned):
    """Maps of words that are their object's mask, or the other's where `turned`."""
    maps = []
    for b, (_, pair) in enumerate(pairs.iterrows()):
        owners = torch.from_numpy(nib.word_objects(pair)).float()
        maps.append(torch.einsum("no,ohw->nhw", owners.flip(1) if turned else owners, torch.stack(masks[b])))
    return SimpleNamespace(maps=maps, span=lambda b, start, stop: maps[b][start:stop].sum(0))


@pytest.mark.parametrize("turned, expected", [(False, 1.0), (True, 0.0)])
def test_masks_point_at_their_objects(drawn, turned, expected):
    clip, pairs, masks = drawn
    rows = nib.span_pointing(said(pairs, masks, turned), pairs, clip)
    assert len(rows) == 2 * 2 * 5 and set(rows.words) == {"phrase", "size", "texture", "colour", "shape"}
    assert (rows.pointing == expected).all()
    assert rows.chance.tolist()[0] == pytest.approx(float(masks[0][0].mean()))


def test_words_of_one_object_alone_may_be_wrong(drawn):
    """Of the first object's words only the last has the other's map: that row alone is 0."""
    clip, pairs, masks = drawn
    found = said(pairs, masks, False)
    found.maps[0][4] = masks[0][1]
    rows = nib.span_pointing(SimpleNamespace(maps=found.maps, span=lambda b, i, j: found.maps[b][i]), pairs, clip)
    assert rows[rows.pointing == 0][["pair", "object", "words"]].values.tolist() == [[0, 0, "shape"]]


def test_maps_of_other_pairs_are_refused(drawn):
    clip, pairs, masks = drawn
    found = said(pairs, masks, False)
    with pytest.raises(ValueError, match="2 captions and 1 pairs"):
        nib.span_pointing(found, pairs.iloc[:1], clip)
    with pytest.raises(ValueError, match="its caption has"):
        nib.span_pointing(SimpleNamespace(maps=[m[:3] for m in found.maps], span=found.span), pairs, clip)
