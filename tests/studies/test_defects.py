"""The released defects: as released is the released number, mended is what plain forms give."""
import golden
import numpy as np
import pytest
import torch

import nib_utils as nib
from nib_utils.clip.similarity import cosine
from nib_utils.measures.confidence import dim_words
from nib_utils.studies.defects import content_map, text_confidence


@pytest.fixture(scope="module")
def pairs():
    pairs = nib.load_pairs("shapes", n=6)
    return pairs.assign(captions=[[caption, *phrases] for caption, phrases in zip(pairs.caption, pairs.phrases)])


@pytest.fixture(scope="module")
def table(clip, pairs):
    return nib.defects(clip, pairs, "nib")


def cell(table, defect, metric, column, name="nib"):
    rows = table[(table.defect == defect) & (table.metric == metric) & (table["map"] == name)]
    assert len(rows) == 1
    return rows[column].item()


def test_with_both_defects_the_text_metric_is_the_released_one():
    clip = golden.clip()
    got = text_confidence(clip, nib.explanation(clip, *golden.inputs(), *golden.random_maps()))
    np.testing.assert_allclose(got.text_drop, golden.OUTPUTS["metric/random/tdrop"], atol=1e-3)
    np.testing.assert_allclose(got.text_increase, golden.OUTPUTS["metric/random/tincr"], atol=1e-3)


@pytest.mark.parametrize("marks", [False, True])
@pytest.mark.parametrize("once", [False, True])
def test_words_are_dimmed_as_a_plain_loop_does(clip, pairs, marks, once):
    captions = clip.ids(list(pairs.caption))
    maps = [torch.rand(len(i), generator=torch.Generator().manual_seed(0)) for i in captions]
    before, got = dim_words(clip.text, captions, maps, marks, once)
    ones = dim_words(clip.text, captions, [torch.ones(len(i)) for i in captions], marks, once)
    torch.testing.assert_close(before, ones[1], rtol=1e-4, atol=1e-4)  # before is the caption, not dimmed
    assert not torch.allclose(before, got, rtol=1e-2, atol=1e-2)
    tower, rows = clip.text, clip.text.parts["vocabulary"]
    for feature, ids, m in zip(got, captions, maps):
        kept, tokens = range(len(ids)) if marks else range(1, len(ids) - 1), []
        for t in kept:
            value = m[t] if once else torch.tensor([m[u] for u in range(1, len(ids) - 1) if ids[u] == ids[t]]).prod()
            tokens.append(rows[ids[t]] * (1.0 if t in (0, len(ids) - 1) else value))
        x = torch.stack(tokens)[None] + tower.parts["positions"][: len(tokens)]
        at = torch.tensor([int(torch.stack([ids[t] for t in kept]).argmax())])
        torch.testing.assert_close(feature, tower.finish(tower.pre(x), 0, at)[0], rtol=1e-4, atol=1e-4)


def test_a_map_of_ones_leaves_a_whole_caption_whole(clip, pairs):
    ids = clip.ids(list(pairs.caption))
    before, whole = dim_words(clip.text, ids, [torch.ones(len(i)) for i in ids], marks=True, once=True)
    assert torch.equal(before, whole)
    torch.testing.assert_close(whole, clip.encode_text(ids), rtol=1e-4, atol=1e-4)


def test_the_marks_scores_do_not_reach_a_map_of_the_content():
    scores = torch.tensor([100.0, -1, 0, 3, -50])
    assert content_map(scores).tolist() == [0, 0, 0.25, 1, 0]
    assert torch.equal(content_map(scores), content_map(torch.tensor([0.0, -1, 0, 3, 7])))


def test_as_released_is_the_published_protocol(clip, pairs, table):
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption))
    published = nib.confidence(clip, ex).mean()
    corrected = nib.confidence(clip, ex, "corrected").mean()
    for defect in ("bare captions", "repeated words", "marks in the map"):
        assert cell(table, defect, "text_drop", "as_released") == pytest.approx(published.text_drop, abs=1e-3)
    assert cell(table, "batch target", "text_drop", "mended") == pytest.approx(published.text_drop, abs=1e-3)
    assert cell(table, "bright maps", "image_drop", "as_released") == pytest.approx(published.image_drop, abs=1e-3)
    assert cell(table, "bright maps", "image_drop", "mended") == pytest.approx(corrected.image_drop, abs=1e-3)
    np.testing.assert_allclose(table.difference, table.mended - table.as_released)
    assert set(table.defect) == set(nib.DEFECTS)


def test_brightening_pays_when_published_and_not_when_mended(table):
    drop = lambda name, column: cell(table, "bright maps", "image_drop", column, name)
    assert drop("all_ones", "as_released") == 0 < drop("nib ** 0.25", "as_released") < drop("nib", "as_released")
    assert drop("nib ** 0.25", "mended") == pytest.approx(drop("nib", "mended"), abs=0.5) and drop("all_ones", "mended") > 1


def test_each_switch_by_hand(clip, pairs, table):
    images, captions = list(pairs.image), list(pairs.caption)
    mixed = nib.explain(clip, images, captions, text_target="batch", batch_size=32)
    drop = nib.confidence(clip, mixed).text_drop.mean()
    assert cell(table, "batch target", "text_drop", "as_released") == pytest.approx(drop, abs=1e-3)
    for column, layer in (("as_released", 10), ("mended", 9)):
        ex = nib.explain(clip, images, captions, "gradcam", layer=layer)
        drop = nib.confidence(clip, ex).image_drop.mean()
        assert cell(table, "layer 9", "image_drop", column, "gradcam") == pytest.approx(drop, abs=1e-3)
    for column, rule in (("as_released", "released"), ("mended", "own")):
        likes = cosine(clip.encode_image(images), clip.encode_text(list(nib.pick_captions(clip, pairs, rule).caption)))
        assert cell(table, "batch's caption", "similarity", column) == pytest.approx(likes.mean().item(), abs=1e-5)
    assert cell(table, "batch's caption", "similarity", "difference") > 0
    assert cell(table, "cold samples", "fps", "mended") > 0


def test_what_does_not_apply_is_left_out(clip, pairs):
    few = nib.defects(clip, pairs.head(2).drop(columns="captions"), "random", seed=3, timed=False)
    assert set(few.defect) == set(nib.DEFECTS) - {"batch's caption", "cold samples"}
    again = nib.defects(clip, pairs.head(2).drop(columns="captions"), "random", seed=3, timed=False)
    assert few.equals(again)
    with pytest.raises(ValueError, match="no method is called 'nibs'"):
        nib.defects(clip, pairs, "nibs")
    with pytest.raises(TypeError, match="nib has no option 'beta'"):
        nib.defects(clip, pairs, "nib", beta=1)
