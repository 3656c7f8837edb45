"""The README: its commands exist, its lines run, its numbers are in files that a command regenerates."""
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from nib_utils import tables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def table(name: str, file: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "results" / name / "mini-shapes" / file, index_col=0)


def row(first: str, after: str = "") -> list[str]:
    """The cells after the first of the README's table row that begins with `first`, below the words `after`."""
    line = next(line for line in README[README.index(after) :].splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def test_the_five_lines_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = re.search(r"## Five lines\n\n```python\n(.*?)```", README, re.S).group(1)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "pair.png").stat().st_size > 10_000
    plt.close("all")


def test_every_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z]+)", re.sub(r"and make|```", "", README)))
    assert {"reproduce", "test", "bench", "train"} <= named <= targets


def test_every_file_that_is_linked_exists():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_methods_are_the_register():
    assert tables.markdown(tables.methods_table()) in README


def test_accuracy_is_the_tables():
    found = table("mini_accuracy", "mini_accuracy.csv")
    for label, name in (("own caption first of 100", "top1"), ("beats exchanged colours", "binding")):
        expected = [f"{100 * v:.1f} %" if pd.notna(v) else "–" for v in found[name]]
        assert row(label) == expected


def test_localization_is_the_tables():
    found, layers = table("localization", "localization.csv"), table("localization", "layers.csv").reset_index()
    for method in found.index:
        sweep = layers[layers.method == method]
        best = sweep.loc[sweep.pointing.idxmax()] if len(sweep) else None
        expected = [f"{v:.3f}" for v in found.loc[method, ["pointing_mean", "mass_mean"]]]
        expected += [f"{best.pointing:.3f} (h_{best.layer:.0f})"] if best is not None else ["–"]
        assert row(f"`{method}`", "Does the map lie on the object") == expected


def test_drop_and_increase_are_the_tables():
    found = table("main_table", "main_table.csv")
    for method in found.index:
        names = [f"{p}_image_{m}" for p in ("published", "corrected") for m in ("drop", "increase")]
        assert row(method) == [f"{v:.1f}" for v in found.loc[method, names]]


def test_costs_are_the_tables():
    found = pd.read_csv(ROOT / "results/speed/ViT-B-32-random/speed.csv")
    for line in found.itertuples():
        assert row(f"{line.method}, {line.batch}") == [f"{line.forward_equivalents:.1f}", f"{line.published:g}"]
