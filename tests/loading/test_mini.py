"""The shipped model: small, of half precision, what its record says, and good enough to be explained."""
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import nib_utils as nib
from nib_utils.loading import mini

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def clip():
    return nib.load_clip("mini", device="cpu")


def test_the_file_is_small_and_of_half_precision():
    state = load_file(mini.file_of("mini"))
    assert mini.file_of("mini").stat().st_size < 20e6
    assert {v.dtype for k, v in state.items() if k != "token_ids"} == {torch.float16}


def test_its_record_lies_beside_the_results():
    folder = ROOT / "results/train_mini/mini"
    record, log = json.loads((folder / "train_mini.json").read_text()), pd.read_csv(folder / "log.csv")
    assert record["steps"] >= log["step"].max() > 1000
    assert log["prefers_own"].iloc[-1] > 0.95 and log["loss"].iloc[-1] < log["loss"].iloc[0] / 10


def test_it_knows_its_world(clip):
    """As its results say, with room for the chance of 110 scenes."""
    rows = nib.retrieval(clip, nib.load_pairs("shapes", n=110, seed=77))
    assert rows.top1.mean() > 0.92 and rows[rows.objects <= 2].top1.mean() > 0.94 and rows.binding.mean() > 0.94


def test_nib_points_at_the_named_object_far_above_chance(clip):
    phrases = nib.phrase_pairs(nib.load_pairs("shapes", n=30, seed=77))
    found, chance = (nib.localize(clip, phrases, method) for method in ("nib", "random"))
    assert found.pointing.mean() > 0.3 > 3 * chance.pointing.mean() > 0


def test_unknown_words_are_read_with_a_warning(clip):
    with pytest.warns(UserWarning, match="mini has never learnt some of these words"):
        ex = nib.explain(clip, [nib.load_pairs("shapes", n=1).image[0]], ["zebras, café & 東京 🙂"])
    assert np.isfinite(ex.similarity[0]) and ex.text[0].isfinite().all()


def test_a_broken_file_is_one_sentence(tmp_path):
    (tmp_path / "mini.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match="does not hold an embedded model's weights"):
        mini.load(tmp_path / "mini.safetensors")


def test_a_dtype_that_is_none_is_named():
    with pytest.raises(TypeError, match="dtype is 'bfloat16'; pass torch.float32, torch.bfloat16"):
        nib.load_clip("mini", dtype="bfloat16")
