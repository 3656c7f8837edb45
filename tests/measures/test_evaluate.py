"""The evaluation loop: as its parts one by one, interrupted, cached, and refused."""

import numpy as np
import pandas as pd
import pytest
import tiny
from PIL import Image

import nib_utils as nib
from nib_utils.measures import cache
from nib_utils.measures import evaluate as evaluation


def test_evaluate_is_explain_and_confidence(clip, pairs):
    rows = nib.evaluate(clip, pairs, "nib", chunk=5)
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "nib")
    for protocol in ("published", "corrected"):
        direct = nib.confidence(clip, ex, protocol)
        np.testing.assert_allclose(rows[direct.add_prefix(f"{protocol}_").columns], direct, atol=1e-3)
    np.testing.assert_allclose(rows.similarity, ex.similarity, atol=1e-6)


def test_an_interrupted_evaluation_goes_on(clip, pairs, tmp_path, monkeypatch):
    seen, explain = [], evaluation.explain

    def interrupted(clip, images, *arguments, **options):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(images))
        return explain(clip, images, *arguments, **options)

    monkeypatch.setattr(evaluation, "explain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nib.evaluate(clip, pairs, "random", chunk=4, cache=tmp_path, seed=3)
    assert len(pd.read_csv(next(tmp_path.glob("random-*.csv")), comment="#")) == 8 and len(list(tmp_path.iterdir())) == 1
    seen.clear()
    resumed = nib.evaluate(clip, pairs, "random", chunk=4, cache=tmp_path, seed=3)
    assert seen == [4]
    monkeypatch.undo()
    whole = nib.evaluate(clip, pairs, "random", chunk=12, seed=3)
    pd.testing.assert_frame_equal(resumed.drop(columns="explain_seconds"), whole.drop(columns="explain_seconds"), atol=1e-3)


def test_a_seed_for_one_tower_does_not_depend_on_the_chunk(clip, pairs):
    same = pd.DataFrame({"image": [pairs.image[0]] * 5, "caption": [pairs.caption[0]] * 5})
    two, five = (nib.evaluate(clip, same, "random", chunk=c, image_options={"seed": 5}, seed=1) for c in (2, 5))
    columns = [c for c in two if c != "explain_seconds"]
    pd.testing.assert_frame_equal(two[columns], five[columns], atol=1e-3)
    assert two.published_image_drop.nunique() == 5  # every pair has a seed of its own


def test_what_is_no_table_of_pairs_is_refused(clip, pairs):
    with pytest.raises(ValueError, match="pairs lack the column 'caption'"):
        nib.evaluate(clip, pairs.drop(columns="caption"), "nib")
    with pytest.raises(ValueError, match="pairs lack the column 'image'"):
        nib.evaluate(clip, [("a.jpg", "a dog")], "nib")
    with pytest.raises(ValueError, match="pairs lack the column 'distractors'"):
        nib.retrieval(clip, pairs.drop(columns="distractors"))
    with pytest.raises(ValueError, match="pairs lack the column 'phrase'"):
        nib.localize(clip, pairs, "nib")
    with pytest.raises(ValueError, match="chunk is 0"):
        nib.evaluate(clip, pairs, "nib", chunk=0)


def test_other_work_is_not_taken_for_this(clip, pairs):
    names = {cache.fingerprint(*work) for work in (
        (clip, pairs, "nib", {}, 0), (clip, pairs, "nib", {"layer": 1}, 0), (clip, pairs, "m2ib", {}, 0),
        (clip, pairs, "nib", {}, 1), (clip, pairs.head(3), "nib", {}, 0),
        (nib.wrap(tiny.openai(layers=4, image_size=224)), pairs, "nib", {}, 0))}
    assert len(names) == 6


def test_another_picture_of_the_same_name_is_other_work(clip, tmp_path):
    for i, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (40, 40), (200 * i, 30, 90)).save(tmp_path / folder / "1.png")
    frames = [pd.DataFrame({"image": [str(tmp_path / folder / "1.png")], "caption": ["a dog"]}) for folder in "ab"]
    first, second = (nib.evaluate(clip, frame, "all_ones", cache=tmp_path) for frame in frames)
    assert first.similarity[0] != second.similarity[0]


def test_blank_maps_of_all_chunks_are_told_of_once(clip, pairs):
    with pytest.warns(UserWarning, match=f"nib finds nothing in {len(pairs)} of {len(pairs)} images") as told:
        nib.evaluate(clip, pairs, "nib", chunk=2, image_options={"layer": clip.image.depth - 1})
    assert len([w for w in told if "finds nothing" in str(w.message)]) == 1


def test_evaluate_names_the_row_of_the_whole(clip, pairs, tmp_path):
    long = pairs.copy()
    long.loc[7, "caption"] = "red " * 100
    with pytest.raises(ValueError, match="^caption 7 has 102 tokens"):
        nib.evaluate(clip, long, "nib", chunk=4, cache=tmp_path)
    assert not list(tmp_path.iterdir())  # said before anything was computed
    gone = pairs.astype({"image": object})
    gone.loc[7, "image"] = "gone.png"
    with pytest.raises(FileNotFoundError, match="^image 7: there is no file at 'gone.png'"):
        nib.evaluate(clip, gone, "nib", chunk=4)
    with pytest.raises(TypeError, match="the first argument is a NoneType"):
        nib.evaluate(None, pairs, "nib")


def test_measures_are_those_that_are_asked_for(clip, pairs, tmp_path):
    few = pairs.head(5)
    rows = nib.evaluate(clip, few, "nib", chunk=2, measures=["gain", "words"], cache=tmp_path)
    ex = nib.explain(clip, list(few.image), list(few.caption), "nib")
    areas, words = nib.curves(clip, ex).drop(columns="similarity"), nib.word_accuracy(ex, few.content)
    assert set(rows) == {*areas, *words.add_prefix("word_"), "similarity", "explain_seconds"}
    np.testing.assert_allclose(rows[areas.columns], areas, atol=1e-5)
    np.testing.assert_allclose(rows[words.add_prefix("word_").columns], words, atol=1e-6)
    assert set(nib.evaluate(clip, few, "nib", measures="words")) < set(rows)  # one, by its name alone
    assert set(nib.evaluate(clip, few, "nib", chunk=2, cache=tmp_path)) != set(rows)  # other measures, other work
    with pytest.raises(ValueError, match="a measure is 'gains'; pass one of 'published', 'corrected', 'gain', 'words'"):
        nib.evaluate(clip, few, "nib", measures=["gains"])
    with pytest.raises(ValueError, match="pairs lack the column 'content'"):
        nib.evaluate(clip, few[["image", "caption"]], "nib", measures=["words"])
    few.at[3, "content"] = []
    with pytest.raises(ValueError, match="^of the pairs 2 to 3, counted from the first of them: .*caption 1"):
        nib.evaluate(clip, few, "nib", chunk=2, measures=["words"])


def test_what_pairs_carry_is_measured_as_by_its_own_function(clip):
    pairs = nib.load_pairs("shapes", n=3)
    kept = nib.explain(clip, list(pairs.image), list(pairs.caption), "random", progress=False)  # stands for Shapley values
    carried = nib.with_reference(pairs, kept)
    assert nib.measures_for(pairs) == ["published", "corrected", "gain", "words"]
    assert nib.measures_for(carried) == [*nib.measures_for(pairs), "agreement"]
    rows = nib.evaluate(clip, carried, "legrad", chunk=2, measures=["agreement"])
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "legrad", progress=False)
    np.testing.assert_allclose(rows[["agreement_image", "agreement_text"]], nib.agreement(ex, kept), atol=1e-5)


def test_phrases_are_measured_by_their_image_maps_alone_and_kept(clip, tmp_path):
    phrases = nib.phrase_pairs(nib.load_pairs("shapes", n=4)).assign(caption=lambda t: t.phrase)
    measures = nib.measures_for(phrases, "image")
    assert measures == ["located"]
    work = dict(only="image", chunk=2, measures=measures, seed=3, cache=tmp_path)
    rows = nib.evaluate(clip, phrases, "rise", masks=5, **work)
    want = nib.localize(clip, phrases, "rise", masks=5, seed=3).drop(columns="scene")
    np.testing.assert_allclose(rows[want.columns], want, atol=1e-5)
    again = nib.evaluate(clip, phrases, "rise", masks=5, **work)
    assert again.explain_seconds.tolist() == rows.explain_seconds.tolist()  # taken up
    other = phrases.assign(mask=[~mask for mask in phrases["mask"]])
    assert nib.evaluate(clip, other, "rise", masks=5, **work)["mass"].tolist() != rows["mass"].tolist()  # other truth
    with pytest.raises(ValueError, match="only is 'image', but the measure 'gain' is of both maps, or of the other one; "
                                         "measure located or agreement"):
        nib.evaluate(clip, phrases, "nib", only="image", measures=["gain"])
    with pytest.raises(ValueError, match="only is 'picture'; pass one of None, 'image', 'text'"):
        nib.evaluate(clip, phrases, "nib", only="picture")
    with pytest.raises(ValueError, match="pairs lack the column 'mask'"):
        nib.evaluate(clip, phrases.drop(columns="mask"), "nib", only="image", measures=["located"])


def test_maps_of_other_captions_are_not_measured(clip):
    pairs = nib.load_pairs("shapes", n=3)
    ex = nib.explain(clip, list(pairs.image), list(pairs.caption), "all_ones", progress=False)
    with pytest.raises(ValueError, match="the caption of row 0 is .*, but the map there is of .*; pass the pairs that were"):
        nib.measured(clip, ex, pairs[::-1])
    assert len(nib.measured(clip, ex, pairs)) == 3
