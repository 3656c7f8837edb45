"""The committed results: made by this code, so that a slice made again is the same; and complete."""
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nib_utils as nib
from nib_utils.apps.batch.books import REPRODUCE, defaults
from nib_utils.apps.batch.names import run_folder
from nib_utils.measures.games import one_phrase_each
from nib_utils.tables.paper import headlines

RESULTS = Path(__file__).parents[2] / "results"
RECORDS = sorted(f for f in RESULTS.glob("*/*/*.json") if f.stem == f.parent.parent.name)


def record(name: str) -> tuple[dict, Path]:
    file = RESULTS / name / "mini-shapes" / f"{name}.json"
    return json.loads(file.read_text()), file.parent


@pytest.mark.parametrize("file", RECORDS, ids=lambda f: f.stem)
def test_every_file_of_a_record_is_there_and_no_other(file):
    found = json.loads(file.read_text())
    there = {f.name for f in file.parent.iterdir() if f.suffix in (".csv", ".png")}
    assert there == set(found["files"]) and found["commit"]


def test_every_notebook_of_the_batch_has_its_results():
    assert set(REPRODUCE) <= {f.stem for f in RECORDS} and "main_table" in REPRODUCE
    assert "\t$(RUN) all --workers" in (RESULTS.parent / "Makefile").read_text()


@pytest.mark.parametrize("file", RECORDS, ids=lambda f: f.stem)
def test_a_folder_is_called_what_its_record_asks_for(file):
    """So the same command writes there again, and one with other parameters elsewhere."""
    asked = json.loads(file.read_text())["parameters"]
    assert set(asked) | {"results"} == set(defaults(file.stem))
    assert run_folder(RESULTS, file.stem, asked) == file.parent


@pytest.mark.parametrize("method", ["nib", "chefer", "gradcam_pooled", "legrad", "random"])
def test_a_slice_of_the_main_table_made_again(clip, method):
    """Six significant digits are kept, and another processor rounds otherwise: 0.01 percent of a cosine is allowed."""
    made, folder = record("main_table")
    kept = pd.read_csv(folder / "pairs.csv")
    kept = kept[kept["method"] == method].reset_index(drop=True).head(8)
    pairs = nib.load_pairs("shapes", n=made["parameters"]["n"], seed=made["parameters"]["seed"])
    assert nib.manifest(pairs) == made["manifest"]
    again = nib.evaluate(clip, pairs.head(8), method, seed=made["parameters"]["seed"])
    drops = [c for c in again if "drop" in c and "relative" not in c and "text" not in c]
    np.testing.assert_allclose(again[drops], kept[drops], atol=0.01)
    np.testing.assert_allclose(again.similarity, kept.similarity, atol=1e-5)


def test_words_of_the_quickstart_made_again(clip):
    made, folder = record("quickstart")
    kept = pd.read_csv(folder / "words.csv")
    scene = nib.load_pairs("shapes", n=made["parameters"]["pair"] + 1).iloc[made["parameters"]["pair"]]
    for method in ("nib_held", "nib", "m2ib"):
        ex = nib.explain(clip, [scene.image], [scene.caption], method)
        same = kept[(kept["method"] == method) & (kept["caption"] == scene.caption)]
        assert same.word.tolist() == [word.text for word in ex.words()]
        np.testing.assert_allclose(same.share, [word.share for word in ex.words()], atol=1e-3)


def test_a_slice_of_the_localization_made_again(clip):
    """Every scene counts in a mean, so the mean of one cheap method is made again whole."""
    made, folder = record("localization")
    kept = pd.read_csv(folder / "localization.csv", index_col=0)
    n = made["parameters"]["scenes"]
    phrases = one_phrase_each(nib.load_pairs("shapes", n=3 * n, seed=made["parameters"]["seed"])).head(n)
    again = nib.localize(clip, phrases.rename(columns={"caption": "phrase"}), "chefer").drop(columns="scene").mean()
    np.testing.assert_allclose(again, kept.loc["chefer", again.index].astype(float), atol=2e-3)


def test_headlines_made_again():
    _, folder = record("main_table")
    kept = pd.read_csv(folder / "headlines.csv", index_col=0)
    np.testing.assert_allclose(kept, headlines(), rtol=1e-5)
