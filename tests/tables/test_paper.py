"""The paper's own numbers, and ours beside them."""
import json

import numpy as np
import pandas as pd
import pytest

from nib_utils.tables.paper import DATASETS, METRICS, beside_published, headlines, main_table, published_table


def test_main_table_has_every_published_number():
    rows = pd.DataFrame({"method": ["nib", "nib", "all_ones", "all_ones"], "explain_seconds": [0.5, 0.5, 0.1, 0.1],
                         "pair": [0, 1, 0, 1]}
                        | {f"{p}_{m}": [1.0, 3.0, 0.0, 0.0] for p in ("published", "corrected") for m in METRICS})
    table = main_table(rows, "cc", {"nib": 1.5, "all_ones": 9.0})
    assert table.loc["nib", "published_image_drop"] == 2 and table.loc["nib", "published_image_drop_low"] == 1
    assert table.loc["nib", "published_image_drop_rank"] == "1-2"  # two pairs can tell nothing apart
    assert table.loc["nib", "n"] == 2 and main_table(rows, "cc", {}, ["all_ones"]).published_image_drop_rank["all_ones"] == "(1-2)"
    assert table.loc["nib", "fps"] == 2 and table.loc["nib", "fps_single"] == 1.5
    assert table.loc["nib", "paper_image_drop"] == 0.9439 and table.loc["nib", "paper_text_increase"] == 43.95
    assert len(table) == 9 and np.isnan(table.loc["rise", "published_image_drop"])  # eight methods and a control
    assert np.isnan(table.loc["all_ones", "paper_image_drop"])
    assert "paper_image_drop" not in main_table(rows, "shapes", {})


def test_headlines_follow_from_the_papers_own_table():
    found = headlines()
    np.testing.assert_allclose(found.recomputed, found.paper_says, atol=0.005)
    fps = pd.concat({d: published_table(d).fps for d in DATASETS}).unstack()
    by_hand = np.mean([1 - fps.loc[d, "m2ib"] / fps.loc[d, "nib"] for d in DATASETS])
    assert found.loc["processing speed", "recomputed"] == pytest.approx(100 * by_hand)
    assert found.loc["processing speed", "over_m2ib"] > 150  # what "faster" is commonly taken to mean


def test_published_numbers_stand_beside_measured_ones_or_a_blank(tmp_path):
    blank = beside_published(tmp_path, "ViT-B/32")
    assert len(blank) == 3 * 8 * 5 and blank.paper.notna().all() and blank.measured.isna().all()
    folder, small = tmp_path / "ViT-B-32-cc-n1000-0a1b2c", tmp_path / "ViT-B-32-cc-n2-0a1b2c"
    rows = pd.DataFrame({"published_image_drop": [2.5], "published_image_increase": [3.0], "published_text_drop": [4.0],
                         "published_text_increase": [5.0]}, index=pd.Index(["nib"], name="method"))
    for place, pairs, drop in ((folder, 1000, 2.5), (small, 2, 9.0)):
        place.mkdir()
        rows.assign(published_image_drop=drop).to_csv(place / "main_table.csv")
        made = {"parameters": {"model": "ViT-B/32", "dataset": "cc"}, "pairs": pairs}
        (place / "main_table.json").write_text(json.dumps(made))
    running = beside_published(tmp_path, "ViT-B/32", {"cc": small}).set_index(["dataset", "method", "metric"])
    assert running.loc[("cc", "nib", "image_drop"), "measured"] == 9 and beside_published(tmp_path, "x").measured.isna().all()
    found = beside_published(tmp_path, "ViT-B/32").set_index(["dataset", "method", "metric"])
    assert found.loc[("cc", "nib", "image_drop"), "measured"] == 2.5 and found.measured.notna().sum() == 4
    assert found.loc[("cc", "nib", "image_drop"), "paper"] == 0.9439
