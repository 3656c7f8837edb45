"""Real photographs with captions, where a folder of them lies beside the repository."""
from pathlib import Path

import pandas as pd
import pytest

import nib_utils as nib
from nib_utils.apps.batch import run

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real photographs beside this repository")
SETS = {"flickr8k": "flickr8k", "imagenet": "tiny-imagenet-200", "cc": "conceptual-captions", "coco": "coco"}


@pytest.mark.parametrize("name", SETS)
def test_real_pairs_are_explained(name):
    clip = nib.load_clip("mini")
    pairs = nib.load_pairs(name, DATA / SETS[name], n=5)
    rows = pd.concat({method: nib.evaluate(clip, pairs, method) for method in ("nib", "m2ib")})
    assert len(rows) == 10 and rows.notna().all().all()


def test_main_table_has_the_papers_numbers_beside(tmp_path):
    parameters = dict(dataset="flickr8k", root=str(DATA / "flickr8k"), n=3, methods=["nib", "random"])
    run.execute("main_table", parameters | {"results": str(tmp_path / "results")})
    found = next((tmp_path / "results/main_table").glob("mini-flickr8k-n3-*/main_table.csv"))
    table = pd.read_csv(found, index_col="method")
    assert table.loc["nib", "paper_image_drop"] == 1.4495 and table.loc["nib", "n"] == 3
    assert {"rise", "gradcam", "chefer", "saliency", "mfaba", "fast_ig"} <= set(table.index)
