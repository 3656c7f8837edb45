"""The table of metrics: on orders that are known, with what is not there left out."""
import numpy as np
import pandas as pd
import pytest
import scipy

from nib_utils.tables.metrics import metrics_table, resampled

METHODS = list("abcdefgh")


@pytest.fixture
def root(tmp_path):
    up = np.arange(8.0)
    (tmp_path / "main_table" / "run").mkdir(parents=True)
    (tmp_path / "faithfulness" / "run").mkdir(parents=True)
    frame = pd.DataFrame({"method": METHODS, "published_image_drop": up, "corrected_image_drop": -up})
    frame.to_csv(tmp_path / "main_table" / "run" / "main_table.csv", index=False)
    gain = pd.DataFrame({"method": METHODS, "image_gain": up**3})
    gain.to_csv(tmp_path / "faithfulness" / "run" / "gain.csv", index=False)
    return tmp_path


def test_orders_that_are_known(root):
    agreement = pd.DataFrame({"image": np.linspace(0, 1, 8), "text": 0.0}, index=METHODS)
    found = metrics_table(agreement, root, "run").set_index(["kind", "metric"])
    assert found.spearman["image", "published Drop"] == pytest.approx(-1)  # less is better, and the best has most
    assert found.spearman["image", "corrected Drop"] == found.spearman["image", "relevance gain"] == pytest.approx(1)
    assert found.methods["image", "relevance gain"] == 8
    assert found.spearman["image"][["deletion", "AP on masks"]].isna().all() and found.spearman["text"].isna().all()
    assert (found.methods["text"] == 0).all() and len(found) == 12


def test_few_methods_have_no_order(root):
    agreement = pd.DataFrame({"image": [0.1, 0.2, 0.3], "text": 0.0}, index=METHODS[:3])
    assert metrics_table(agreement, root, "run").spearman.isna().all()


def test_the_interval_is_of_resampled_methods():
    rng = np.random.default_rng(1)
    a = rng.normal(size=20)
    b = a + rng.normal(size=20)
    low, high = resampled(a, b)
    picks = np.random.default_rng(0).integers(20, size=(2000, 20))
    slow = [scipy.stats.spearmanr(a[p], b[p]).statistic for p in picks]
    np.testing.assert_allclose((low, high), np.quantile(slow, [0.025, 0.975]), atol=1e-9)
    assert low < scipy.stats.spearmanr(a, b).statistic < high


def test_what_is_constant_has_no_correlation():
    assert np.isnan(resampled(np.full(4, 0.5), np.arange(4.0))).all()
