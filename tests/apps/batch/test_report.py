"""The report: one page of what is there, nothing of what is not, and no markup from a file's words."""
import pandas as pd
import pytest
from PIL import Image

from nib_utils.apps.batch import report
from nib_utils.apps.batch.results import Results


@pytest.fixture
def root(tmp_path):
    for notebook in ("speed", "main_table"):
        store = Results(tmp_path, notebook, {"n": 3})
        store.table("table", pd.DataFrame({"caption": ["<script>alert(1)</script>", "a & b"] * 20, "value": range(40)}))
        store.product("picture.png", Image.new("RGB", (4, 4)).save)
        store.close()
    return tmp_path


def test_a_page_has_every_run_in_order_with_its_pictures_inside(root):
    found = report.collect(root)
    assert [r["notebook"] for r in found] == ["main_table", "speed"]
    page = report.page(found, "Title <b>", 5, ["a < b leads."])
    assert "a &lt; b leads." in page and page.index("In short") < page.index("main_table") and 'name="viewport"' in page
    assert page.count("data:image/png;base64,") == 2 and "the first 5 of 40 rows" in page
    assert page.count("<details>") == 2 and "<script>" not in page and "&lt;script&gt;" in page and "Title &lt;b&gt;" in page
    assert page.index("main_table, mini-shapes-n3</h2>") < page.index("speed, ViT-B-32-random-n3</h2>")
    report.write(page, root / "page.html")
    assert (root / "page.html").read_text() == page


def test_without_results_there_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="there are no results in"):
        report.collect(tmp_path)
    (tmp_path / "speed" / "x").mkdir(parents=True)
    (tmp_path / "speed" / "x" / "speed.json").write_text("{half")
    with pytest.raises(ValueError, match="speed.json' is not a record"):
        report.collect(tmp_path)
