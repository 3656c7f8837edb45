"""The README and the pages of docs/: commands exist, lines run, numbers are in files that a command regenerates."""
import json
import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

import nib_utils as nib
from nib_utils.apps import shell
from nib_utils.apps.batch import run
from nib_utils.apps.batch.axes import points, read_grid
from nib_utils.apps.batch.books import BOOKS
from nib_utils.apps.explain import options_of
from nib_utils.tables.methods import markdown, methods_table
from nib_utils.tables.overview import overview

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md"]
PAGES = {str(file.relative_to(ROOT)): file.read_text() for file in FILES}
FINDINGS, SECOND, METHODS, PAPERS, COST = (
    PAGES[f"docs/{name}.md"] for name in ("findings", "second_world", "methods", "papers", "cost"))


def table(name: str, file: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "results" / name / "mini-shapes" / file, index_col=0)


def row(page: str, first: str) -> list[str]:
    """The cells after the first of the page's first table row that begins with `first`."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.S)


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if blocks(page, "python")])
def test_every_line_of_python_runs(name, tmp_path, monkeypatch):
    """Of weights that are not here `mini` takes the place."""
    load = nib.load_clip
    monkeypatch.setattr(nib, "load_clip", lambda name: load(name if name in ("mini", "mini-hard") else "mini"))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (300, 200), (90, 120, 60)).save("dog.jpg")
    for code in blocks(PAGES[name], "python"):
        exec(compile(code, name, "exec"), {})
        for picture in re.findall(r'savefig\("(.*?)"', code):
            assert (tmp_path / picture).stat().st_size > 10_000
    plt.close("all")


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if blocks(page, "bash")])
def test_every_command_is_one(name, tmp_path, monkeypatch):
    """Up to what it would read: data and weights are not here."""
    asked = []
    monkeypatch.chdir(tmp_path)  # where nothing is done yet
    for check in ("check_sources", "check_engine"):
        monkeypatch.setattr(run, check, lambda *_: None)
    monkeypatch.setattr(run, "run_jobs", lambda jobs, *_: asked.extend(jobs) or [run.Outcome(job, 0.0) for job in jobs])
    monkeypatch.setattr(shell, "stream_pairs", asked.append)
    monkeypatch.setattr(shell, "explain_picture", lambda given: asked.append(options_of(given)))
    lines = [line for block in blocks(PAGES[name], "bash") for line in block.replace("\\\n", " ").splitlines()]
    ours = [line.split("#")[0] for line in lines if "nib_utils" in line]
    for line in ours:
        assert shell.main(shlex.split(line.split("nib_utils", 1)[1])) == 0, line
    assert len(asked) >= len(ours)


def test_every_grid_is_one(tmp_path):
    grids = [grid for page in PAGES.values() for grid in blocks(page, "yaml")]
    for grid in grids:
        (tmp_path / "grid.yaml").write_text(grid)
        assert len(points(read_grid(tmp_path / "grid.yaml"))) == 24
    assert grids


def test_every_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {name for page in PAGES.values() for name in re.findall(r"(?:^|`)make ([a-z_]+)", page, re.M)}
    assert {"reproduce", "test", "bench", "train"} <= named <= targets


def test_every_file_that_is_linked_exists():
    for name, page in PAGES.items():
        for link in re.findall(r"\]\(([^)#]+)\)", page):
            assert link.startswith("http") or (ROOT / name).parent.joinpath(link).exists(), (name, link)


def test_every_page_is_linked_from_the_first():
    assert {name for name in PAGES if name != "README.md"} <= set(re.findall(r"\]\(([^)#]+)\)", PAGES["README.md"]))


def test_notebooks_are_the_list():
    rows = PAPERS.split("| notebook | question |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])] == list(BOOKS)


def test_methods_are_the_register():
    assert markdown(methods_table()) in METHODS


@pytest.mark.parametrize("world, page", [("mini-shapes", FINDINGS), ("mini-hard-shapes-hard", SECOND)], ids=["first", "second"])
def test_accuracy_is_the_tables(world, page):
    found = pd.read_csv(ROOT / "results" / "mini_accuracy" / world / "mini_accuracy.csv")
    for label, name in (("own caption first of 100", "top1"), ("beats exchanged colours", "binding"),
                        ("a phrase beats its neighbours", "phrases")):
        expected = [f"{100 * v:.1f} %" if pd.notna(v) else "–" for v in found[name]]
        assert row(page, label) == expected
    both = [pd.read_csv(ROOT / "results" / "mini_accuracy" / one / "mini_accuracy.csv").top1.iloc[-1]
            for one in ("mini-shapes", "mini-hard-shapes-hard")]
    assert row(SECOND, "own caption first of 100, 25 of them hard") == [f"{100 * v:.1f} %" for v in both]


@pytest.mark.parametrize("world, page", [("mini-shapes", FINDINGS), ("mini-hard-shapes-hard", SECOND)], ids=["first", "second"])
def test_findings_are_the_tables(world, page):
    ranks = dict.fromkeys(("precision_rank", "image_gain_rank", "text_gain_rank"), str)
    found = pd.read_csv(ROOT / "results/report/all-results/overview.csv", index_col=[0, 1], dtype=ranks).loc[world]
    assert len(found) >= 30
    said = lambda v, places=2: "–" if pd.isna(v) else v if isinstance(v, str) else f"{v:.{places}f}"
    sure = lambda m, name: "–" if pd.isna(m[name]) else f"{m[name]:.2f} ({m[f'{name}_low']:.2f}–{m[f'{name}_high']:.2f})"
    for method, m in found.iterrows():
        assert row(page, f"`{method}`") == [
            said(m.pointing), sure(m, "precision"), said(m.precision_rank), sure(m, "image_gain"), said(m.image_gain_rank),
            said(m.text_gain), said(m.text_gain_rank), said(m.shapley_image), said(m.shapley_text),
            said(m.image_drop_published, 1)]


def test_the_worlds_are_compared_by_their_table():
    found = pd.read_csv(ROOT / "results/report/all-results/worlds.csv", index_col="metric")
    assert len(found) == 5
    for metric, m in found.iterrows():
        assert row(SECOND, metric.replace("_", " ")) == [f"{m.spearman:.2f}", f"{m.low:.2f} to {m.high:.2f}", f"{m.methods:.0f}"]


def test_layers_are_the_tables():
    found = table("layers", "chosen.csv").set_index("measure", append=True)
    words = " ".join(FINDINGS.split())
    for method, says in (("nib", "NIB"), ("m2ib", "M2IB")):
        image, text = (found.loc[(method, measure)] for measure in ("image_gain", "text_gain"))
        for part, own in ((image, " its own"), (text, "")):
            what = "'s gain on patches is" if own else ", on words"
            says += (f"{what} {part.published_mean:.2f} at{own} `h_{part.published_layer:.0f}` "
                     f"and {part.chosen_mean:.2f} at `h_{part.chosen_layer:.0f}`")
            assert part.low > 0 and part.p_holm < 0.001
        assert says in words
    ahead = table("layers", "versus.csv").reset_index()
    ahead = ahead[(ahead["at"] == "chosen") & ahead.measure.isin(["image_gain", "text_gain"])]
    assert len(ahead) == 2 and (ahead.a == "nib").all() and (ahead.high < 0).all()


def test_who_leads_on_the_patches_is_the_main_table():
    found, masks = table("main_table", "main_table.csv"), table("localization", "localization.csv")
    first = found.image_gain[~found.image_gain_rank.str.startswith("(")].nlargest(2)
    assert list(first.index) == ["nib_held", "chefer_full"] and set(found.image_gain_rank[first.index]) == {"1-2"}
    assert f"not told apart ({first.iloc[0]:.3f} and {first.iloc[1]:.3f})" in " ".join(FINDINGS.split())
    assert "nib_held" == masks.average_precision.idxmax() and masks.average_precision_rank["nib_held"] == "1"


def test_the_overview_is_the_tables_it_joins():
    kept = pd.read_csv(ROOT / "results/report/all-results/overview.csv", index_col=[0, 1])
    again = overview(ROOT / "results")
    numbers = again.select_dtypes("number").columns
    pd.testing.assert_frame_equal(kept[numbers], again[numbers].loc[kept.index], rtol=1e-5)


def test_held_is_its_tables():
    page = " ".join((ROOT / "docs/held.md").read_text().split())
    sums = table("held", "sums.csv")
    image, text = sums.loc["image"], sums.loc["text"]
    assert (f"of a cosine of {image.similarity:.2f}, patches give {image.parts:.2f}, CLS {image.ends:.2f} and an empty picture "
            f"{image.nothing:.2f}; words give {text.parts:.2f}, SOS and EOS {text.ends:.2f}, positions {text.positions:.2f}, "
            f"and an empty caption {text.nothing:.2f}") in page
    tried = pd.read_csv(ROOT / "results/held/mini-shapes/options.csv")
    options = tried.query("diffusion == 0.06 and streams == 12 and attention == 0.25").set_index(["detail", "smoothing", "presence"])
    own, none, twice = (options.loc[("redistributed", smoothing, 0)] for smoothing in (0.125, 0, 0.25))
    assert (f"precision of {own.precision:.2f} ({own.precision_low:.2f} to {own.precision_high:.2f}), none {none.precision:.2f}, "
            f"twice as much {twice.precision:.2f}, at the same relevance gain, {own.gain:.2f}") in page
    without, twice = (tried.query(f"attention == {a}").iloc[0] for a in (0, 0.5))
    assert (f"without it the precision is {without.precision:.2f} and the gain {without.gain:.2f}, so on these phrases it costs gain; "
            f"twice as much has {twice.precision:.2f} and {twice.gain:.2f}") in page
    one, two = (pd.read_csv(ROOT / "results/held" / world / "captions.csv", index_col=0)
                for world in ("mini-shapes", "mini-hard-shapes-hard"))
    first, second = one.gain.map("{:.3f}".format), two.gain.map("{:.3f}".format)
    assert (f"on {one.n[0]:.0f} others their gain goes from {first[0]} to {first[0.25]} and with four times as much to {first[1]} "
            "([captions](../results/held/mini-shapes/captions.csv)), in the second world from "
            f"{second[0]} to {second[0.25]} and {second[1]} ([captions]") in page
    words = pd.read_csv(ROOT / "results/held/mini-shapes/words.csv").set_index(["way", "words"])
    phrase, kinds = words.loc[("nib_held", "phrase")], words.loc["nib_held"]["mean"]
    assert (f"{phrase['mean']:.2f} ({phrase.low:.2f} to {phrase.high:.2f}) of cases, of a single colour's in {kinds['colour']:.2f}, "
            f"texture's {kinds['texture']:.2f}, shape's {kinds['shape']:.2f} and size's {kinds['size']:.2f}") in page
    for way, says in (("attn_lrp", "{:.2f} for phrases"), ("integrated Jacobians", "have {:.2f}"), ("random coalitions", "words {:.2f}, for")):
        assert says.format(words.loc[(way, "phrase"), "mean"]) in page


def test_the_options_of_held_are_as_it_takes_them():
    page, usual = PAGES["docs/held.md"], nib.METHODS["nib_held"].__kwdefaults__
    clip, pair = nib.load_clip("mini"), nib.load_pairs("shapes", n=1).iloc[0]
    for option, default in usual.items():
        says, takes, _ = row(page, f"`{option}`")
        assert says == ("all" if default is None else f"{default:g}" if isinstance(default, float) else default)
        least, _, most = takes.replace("the number of blocks", "12").partition(" to ")
        for wrong in [float(least) - 1, float(most) + 1] if most else ["neither"]:
            with pytest.raises(ValueError, match=re.escape(f"it takes {takes if most else 'one of ' + takes}".replace("the number of blocks", "12"))):
                nib.explain(clip, [pair.image], [pair.caption], "nib_held", only="image",
                            image_options={option: int(wrong) if option == "streams" else wrong})
    lines = page.split("## The options")[1].split("## ")[0].splitlines()
    assert len([line for line in lines if line.startswith("| `")]) == len(usual)


def test_measures_are_their_table():
    found = pd.read_csv(ROOT / "results/reference/mini-shapes/metrics.csv", index_col=[0, 1]).spearman
    image, text = found.loc["image"], found.loc["text"]
    assert (f"the published image Drop has a rank correlation of {image['published Drop']:.2f} with the agreement with Shapley "
            f"values, the corrected one {image['corrected Drop']:.2f}, relevance gain {image['relevance gain']:.2f}, precision "
            f"on exact masks {image['AP on masks']:.2f}; on words {text['published Drop']:.2f}, {text['corrected Drop']:.2f}, "
            f"{text['relevance gain']:.2f}, and {text['AP of words']:.2f} for the precision") in " ".join(FINDINGS.split())


def test_counterfactuals_are_their_table():
    found = table("counterfactual", "concordance.csv").reset_index()
    found = found[(found["map"] == "text") & (found.kind == "words")].set_index("method")
    best, says = found.loc["nib_held"], found.concordance.map("{:.2f}".format)
    assert (f"in {best.concordance:.2f} ({best.concordance_low:.2f} to {best.concordance_high:.2f}) of cases by `nib_held`, "
            f"{says['input_gradient']} by `input_gradient`, {says['attn_lrp']} by `attn_lrp` and leaving the word out, "
            f"{says['integrated_gradients']} by `integrated_gradients`, {says['nib']} by NIB, {says['m2ib']} by M2IB"
            ) in " ".join(FINDINGS.split())
    assert says["attn_lrp"] == says["leave_one_out"] and found.n.eq(24).all()


def test_the_second_world_is_its_tables():
    page = " ".join(SECOND.split())
    read = lambda name, file, **options: pd.read_csv(ROOT / "results" / name / "mini-hard-shapes-hard" / file, **options)
    versus = read("main_table", "nib_against_m2ib.csv", index_col=0)
    for metric, better, places, p in (("published_image_drop", "nib", 1, ""), ("text_gain", "nib", 2, "; p {:.2f}"),
                                      ("image_gain", "nib", 2, "; p {:.2f}")):
        one = versus.loc[metric]
        low, high = sorted((abs(one.low), abs(one.high)))
        assert f"by {abs(one.difference):.{places}f} ({low:.{places}f} to {high:.{places}f}{p.format(one.p)})" in page
        assert one.low * one.high > 0 and one.better == better
    there, here = table("main_table", "nib_against_m2ib.csv").loc["image_gain"], versus.loc["corrected_image_drop"]
    assert f"favours M2IB by {-there.difference:.2f} ({-there.high:.2f} to {-there.low:.2f}) in the first world" in page
    assert f"({here.difference:.1f}, {here.low:.1f} to {here.high:.1f}; 40 pairs)" in page and here.better == "not told apart"
    ranks = read("main_table", "main_table.csv", index_col=0).query("image_gain_rank == '1-5'").image_gain
    assert set(ranks.index) == {"nib_held", "chefer_full", "legrad", "clip_surgery", "grad_eclip"}
    assert f"`grad_eclip` ({ranks.max():.2f} to {ranks.min():.2f}, where" in page
    metrics = read("reference", "metrics.csv", index_col=[0, 1]).spearman.loc["image"]
    assert (f"correlation of {metrics['published Drop']:.2f} with the agreement with Shapley values, the corrected one "
            f"{metrics['corrected Drop']:.2f}, relevance gain {metrics['relevance gain']:.2f}, precision on exact masks "
            f"{metrics['AP on masks']:.2f}") in page
    chance = read("sanity", "randomisation.csv")
    chance = chance[(chance.tower == "text") & (chance.blocks == 12)].set_index("method").image_spearman.map("{:.2f}".format)
    assert (f"of {chance['m2ib']} with what it was, `chefer_full`'s {chance['chefer_full']}, NIB's {chance['nib']}, `nib_held`'s "
            f"{chance['nib_held']} (6 pairs") in page
    words = read("held", "words.csv", index_col=["way", "words"])
    phrase, kinds = words.loc[("nib_held", "phrase")], words.loc["nib_held"]["mean"].map("{:.2f}".format)
    assert (f"{phrase['mean']:.2f} ({phrase.low:.2f} to {phrase.high:.2f}) of cases, `attn_lrp`'s in "
            f"{words.loc[('attn_lrp', 'phrase'), 'mean']:.2f}, a fit to coalitions' in "
            f"{words.loc[('random coalitions', 'phrase'), 'mean']:.2f}, integrated Jacobians' in "
            f"{words.loc[('integrated Jacobians', 'phrase'), 'mean']:.2f}; of single words colours in {kinds['colour']}, textures "
            f"{kinds['texture']}, shapes {kinds['shape']}, and sizes {kinds['size']}") in page
    options = read("held", "options.csv").query("smoothing == 0.125 and presence == 0 and diffusion == 0.06 and streams == 12 and attention == 0.25").set_index("detail").precision
    shown = read("held", "options.csv").query("presence == -1").precision.item()
    assert f"presence of -1 has a precision of {shown:.2f} against {options['redistributed']:.2f}" in " ".join(PAGES["docs/held.md"].split())
    assert f"has a precision of {options['product']:.2f} against {options['redistributed']:.2f} on validation" in page
    chosen = read("layers", "chosen.csv", index_col=[0, 1])
    image, text = chosen.loc[("m2ib", "image_gain")], chosen.loc[("m2ib", "text_gain")]
    assert (f"{image.published_mean:.2f} at `h_10` and {image.chosen_mean:.2f} at `h_{image.chosen_layer:.0f}`, on words "
            f"{text.published_mean:.2f} and {text.chosen_mean:.2f} at `h_{text.chosen_layer:.0f}`") in page
    words = read("counterfactual", "concordance.csv").query("map == 'text' and kind == 'words'").set_index("method")
    out, held = (f"in {one.concordance:.2f} ({one.concordance_low:.2f} to {one.concordance_high:.2f})"
                 for one in (words.loc["leave_one_out"], words.loc["nib_held"]))
    assert f"{out} of cases. `nib_held` does {held}, little more than chance" in page
    assert words.concordance.idxmax() == "leave_one_out" and words.concordance_rank["leave_one_out"] == "(1)"
    masks = read("localization", "nib_against_m2ib.csv", index_col=0).loc["average_precision"]
    assert f"exact masks by {masks.difference:.2f} ({masks.low:.2f} to {masks.high:.2f}; 40 phrases" in page and masks.better == "nib"
    masks = read("localization", "localization.csv", index_col=0).average_precision_rank
    level = {name for name in masks.index if masks[name].startswith("1-")}
    assert masks["nib_held"] == "1-3" and level == {"nib_held", "grad_eclip", "legrad"}
    halves = [pd.read_csv(ROOT / "results/shapley" / world / "halves.csv").query("game == 'captions' and kind == 'image'").reliability.item()
              for world in ("mini-hard-shapes-hard", "mini-shapes")]
    assert "a reliability of {:.2f}, where those of the first world's 49 have {:.2f}".format(*halves) in page
    under = read("sanity", "captions.csv").query("kind == 'other'").set_index("method").relative_strength.map("{:.2f}".format)
    assert (f"M2IB's rises to {under['m2ib']} of what it was, `nib_held`'s falls to {under['nib_held']}, `attn_lrp`'s to "
            f"{under['attn_lrp']}, NIB's to {under['nib']}; `chefer_full`'s") in page and f"falls here, to {under['chefer_full']}" in page


def test_scaling_is_its_tables():
    page, spread, estimate = PAGES["docs/large.md"], *(pd.read_csv(ROOT / f"results/scaling/mini/{name}.csv") for name in ("spread", "estimate"))
    for one in spread.itertuples():
        assert row(page, f"{one.engine}, {one.workers}") == [f"{one.begin_seconds:.1f}", f"{one.pairs_per_second:.1f}"]
    assert (spread.largest_difference == 0).all() and len(spread) == 5
    many = {"core": "cores", "process": "processes", "GPU": "GPUs"}
    for one in estimate.itertuples():
        assert row(page, f"{one.stage}: {one.units} {many[one.unit]}") == [
            f"{one.pairs_per_second_each:.1f}", f"{one.pairs_per_second:.0f}", f"{one.hours:.1f}"]
    assert estimate.set_index("stage")["first"].to_dict() == {"reading": False, "asking": True, "computing": False,
                                                              "computing without GPUs": False}
    facts = json.loads((ROOT / "results/scaling/mini/scaling.json").read_text())
    assert f"({facts['jpeg_bytes'] / 1000:.0f} kB, 341 x 256)" in page and f"{facts['calls']} operations of tensors" in page


def test_a_hundred_thousand_pairs_are_their_tables():
    for method in ("nib_held", "nib"):
        folder = ROOT / "results/stream" / method
        parts, found = pd.read_csv(folder / "parts.csv"), pd.read_csv(folder / "summary.csv", index_col=0)
        assert (parts["first"] == [0, *parts["last"][:-1] + 1]).all() and parts["last"].iloc[-1] == 99999
        assert (found["n"] + parts.refused.sum() == 100000).all()
        drops = [f"{one['mean']:.2f} ({one.low:.2f} to {one.high:.2f})"
                 for _, one in found.loc[["published_image_drop", "published_text_drop"]].iterrows()]
        memory = parts.memory[parts["first"] >= 1000]
        assert row(PAGES["docs/large.md"], f"{method}, 100000") == [
            f"{100000 / parts.seconds.sum():.1f}", f"{memory.min():.0f} to {memory.max():.0f}", *drops]


def test_headlines_are_the_tables():
    for figure, found in table("main_table", "headlines.csv").iterrows():
        assert row(PAPERS, figure) == [f"{found.paper_says:g} %", f"{found.recomputed:.2f} %", f"{found.over_m2ib:.0f} %"]


def test_costs_are_the_tables():
    found = pd.read_csv(ROOT / "results/speed/ViT-B-32-random/speed.csv")
    shown = found.dropna(subset=["published"]).to_dict("records")
    assert len(shown) > 8
    for line in shown:
        reached = f"{100 * line['reached']:.0f} %" if pd.notna(line["reached"]) else "–"
        assert row(COST, f"{line['method']}, {line['batch']}") == [
            f"{line['forward_equivalents']:.2f}", f"{line['library_forwards']:.2f}", reached, f"{line['published']:g}"]
