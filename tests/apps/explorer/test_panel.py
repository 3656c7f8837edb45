"""The panel: what a click asks of the model, what it shows, what it says when something is wrong, what it saves."""
import asyncio
import inspect
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image

import nib_utils as nib
from nib_utils.apps.explorer import kept, work
from nib_utils.apps.explorer import session as sessions
from nib_utils.clip import perturb, tower
from nib_utils.clip.blocks import Block
from nib_utils.clip.tower import Tower
from nib_utils.methods.shared.held import Held

ROOT = Path(__file__).parents[3]
SEVEN = os.environ.get("IPYWIDGETS_7", "")  # a folder made by: pip install --no-deps --target FOLDER "ipywidgets<8"


@pytest.fixture
def panel(clip, tmp_path):
    return nib.explorer(clip, scene=1, results=tmp_path / "lab")


@pytest.fixture
def runs(monkeypatch):
    """How often each tower embeds inputs, is read with its gates held, and runs a block, however it does."""
    count = dict.fromkeys(("image", "text", "blocks"), 0)
    embed, branch, held = Tower.embed, Block.branch, Held.__init__

    def counted(tower, x):
        count[tower.kind] += 1
        return embed(tower, x)

    def counted_branch(block, h):
        count["blocks"] += 1
        return branch(block, h)

    def counted_held(net, tower, *args):
        count[tower.kind] += 1
        held(net, tower, *args)

    monkeypatch.setattr(Tower, "embed", counted)
    monkeypatch.setattr(Held, "__init__", counted_held)
    monkeypatch.setattr(Block, "branch", counted_branch)
    return count


def upload(panel, name, content):
    """As the browser's half of ipywidgets does, of 7 or of 8."""
    field = panel.upload
    if hasattr(field, "_counter"):
        field.metadata, field.data = [{"name": name}], [content]
        field._counter += 1
    else:
        field.value = ({"name": name, "content": memoryview(content), "type": "image/png", "size": len(content), "last_modified": pd.Timestamp(0)},)


def png(size=(90, 60)):
    file = io.BytesIO()
    Image.effect_mandelbrot(size, (-2, -1, 1, 1), 40).save(file, "PNG")
    return file.getvalue()


def shares(side):
    """The shares that the words show, by the rules of their style."""
    return [float(v) for v in re.findall(r'content: "(?:\? )?([+-]?[\d.]+)"', side.words.style_of.value)]


def test_what_it_shows_is_what_explain_says(clip, panel):
    side, scene = panel.sides[0], nib.load_pairs("shapes", n=1, start=1).iloc[0]
    ex = nib.explain(clip, [scene.image], [scene.caption], "nib_held")
    assert side.caption.value == scene.caption and f"<b>{ex.similarity.item():.3f}</b>" in side.said.value
    assert [label for label, _ in side.words.buttons.options][1:] == [word.text for word in ex.words()]
    np.testing.assert_allclose(shares(side), [word.share for word in ex.words()], atol=0.0051)
    np.testing.assert_allclose(side.answer.heat, ex.heat().numpy(), atol=1e-4)
    side.options.fields["presence"].value = "-1"
    other = nib.explain(clip, [scene.image], [scene.caption], "nib_held", presence=-1.0)
    torch.testing.assert_close(side.answer.ex.image_scores, other.image_scores, rtol=1e-3, atol=1e-7)


def test_how_it_is_shown_asks_nothing_of_the_model(panel, runs):
    side, seen = panel.sides[0], set()
    for change in (lambda: setattr(panel.opacity, "value", 0.3), lambda: setattr(panel.colours, "value", True),
                   lambda: setattr(panel.outline, "value", True)):
        seen.add(side.stage.image.value)
        change()
        assert side.stage.image.value not in seen
    assert not any(runs.values()) and all(share >= 0 for share in shares(side))


@pytest.mark.parametrize("method, image, blocks", [
    ("nib", 0, 0), ("gradcam", 0, 0), ("chefer", 0, 0), ("grad_eclip", 0, 0),  # from the stream that is there
    ("nib_held", 1, 12)])  # gradients by the pixels need a graph from there
def test_another_caption_runs_the_text_side(panel, runs, method, image, blocks):
    panel.sides[0].method.value = method
    runs.update(dict.fromkeys(runs, 0))
    panel.sides[0].caption.value = "a red star"
    assert panel.message.value == "" and runs["image"] == image and runs["text"] >= 1
    fresh = dict(runs)
    panel.sides[0].caption.value = "a small plain orange heart"
    panel.sides[0].caption.value = "a red star"  # known already
    again = dict(runs)
    runs.update(dict.fromkeys(runs, 0))
    panel.sides[0].caption.value = "a small plain orange heart"
    assert not any(runs.values()) and again["text"] == 2 * fresh["text"]


def test_a_word_has_its_map_and_a_patch_its_words(clip, panel, runs):
    side, scene = panel.sides[0], nib.load_pairs("shapes", n=1, start=1).iloc[0]
    whole = side.stage.image.value
    side.words.buttons.index = 5  # heart
    found = nib.word_maps(clip, [scene.image], [scene.caption])
    assert f"“heart”: the patches give it <b>{found.scores[0][4].sum():+.3f}</b>" in side.said.value
    assert side.stage.image.value != whole
    runs.update(dict.fromkeys(runs, 0))
    side.stage.patches.index = 24  # row 4, column 4
    column = found.scores[0].flatten(1)[:, 24]
    np.testing.assert_allclose(shares(side), (column / found.scores[0].abs().max()).tolist(), atol=0.0051)
    assert "row 4, column 4" in side.said.value and side.words.buttons.index is None
    side.words.buttons.index = 0
    assert side.stage.patches.index is None and not any(runs.values())
    assert side.stage.image.value == whole


def test_a_word_of_several_pieces_is_one(panel, clip):
    side = panel.sides[0]
    side.caption.value = "a mandelbrot heart"
    side.words.buttons.index = 2
    found, matrix = side.session.matrix(side.asked)
    assert len(matrix) == 3 < len(found.words[0]) and not matrix[1].any() and "never learnt" in side.said.value
    np.testing.assert_allclose(matrix.sum(0), found.scores[0].sum(0).numpy(), atol=1e-6)
    assert "mandelbrot" in side.said.value and panel.message.value == ""


def test_two_sides(panel):
    panel.two.value = True
    first, second = panel.sides
    assert len(panel.views.children) == 2 and second.method.value == "attn_lrp"
    assert second.asked.caption == first.asked.caption and second.answer.ex.method == "attn_lrp"
    second.caption.value = "a red star"
    assert second.answer.similarity < first.answer.similarity
    panel.number.value = 2  # a scene's own caption goes with it, what was written stays
    assert first.caption.value == nib.load_pairs("shapes", n=1, start=2).caption[0]
    assert second.caption.value == "a red star" and first.asked.picture is second.asked.picture


@pytest.mark.parametrize("change, words", [
    (lambda p: setattr(p.sides[0].caption, "value", " "), "caption 0 is empty"),
    (lambda p: setattr(p.sides[0].caption, "value", "dog " * 99), "caption 0 has 101 tokens"),
    (lambda p: setattr(p.sides[0].options.fields["detail"], "value", "<b>"), "detail is &#x27;&lt;b&gt;&#x27;; it takes one of"),
    (lambda p: setattr(p.sides[0].options.fields["presence"], "value", "lots"), "takes a number, not &#x27;lots&#x27;"),
    (lambda p: upload(p, "<i>.txt", b"no picture"), "&#x27;&lt;i&gt;.txt&#x27; cannot be read as an image"),
    (lambda p: upload(p, "half.png", png()[:-700]), "half.png"),
    (lambda p: setattr(p.model, "value", "gone.pt"), "gone.pt")])
def test_what_is_wrong_is_said_in_a_sentence_and_the_last_view_stays(clip, tmp_path, change, words):
    panel = nib.explorer([clip, "gone.pt"], results=tmp_path)
    seen = lambda: (panel.sides[0].stage.image.value, panel.sides[0].said.value, panel.sides[0].words.style_of.value, panel.source.value)
    before = seen()
    change(panel)
    assert words in panel.message.value and "nib-wrong" in panel.message.value and "Traceback" not in panel.message.value
    assert seen() == before and list(tmp_path.iterdir()) == []


def test_an_error_nobody_thought_of_is_a_sentence_too(panel, monkeypatch):
    monkeypatch.setattr(sessions, "explain", lambda *a, **k: 1 / 0)
    panel.sides[0].caption.value = "a red star"
    assert "this went wrong: ZeroDivisionError: division by zero." in panel.message.value


def test_a_word_map_that_fails_leaves_the_view_as_it_was(panel, monkeypatch):
    monkeypatch.setattr(sessions, "word_maps", lambda *a, **k: 1 / 0)
    before = panel.sides[0].stage.image.value
    panel.sides[0].words.buttons.index = 3
    assert "ZeroDivisionError" in panel.message.value and panel.sides[0].focus is None
    assert panel.sides[0].words.buttons.index == 0
    panel.opacity.value = 0.5
    assert panel.message.value == "" and panel.sides[0].stage.image.value != before


async def until(there):
    """A kernel's event loop goes round until something is so."""
    async with asyncio.timeout(600):
        while not there():
            await asyncio.sleep(0.02)


def at_work(panel):
    return panel.working.layout.display is None


def begin_long(panel):
    """RISE with more masks than anyone waits for."""
    panel.sides[0].method.value = "rise"
    panel.sides[0].options.fields["masks"].value = "100000"


def test_long_work_is_stopped_and_what_was_seen_stays(panel, clip):
    async def person():
        side, answers = panel.sides[0], panel.session.answers
        begin_long(panel)
        before, known = (side.stage.image.value, side.said.value), set(answers.kept)
        await until(lambda: at_work(panel))
        assert "working, for about" in panel.busy.value
        panel.opacity.value = 0.3  # asks nothing of the model
        assert side.stage.image.value != before[0]
        panel.opacity.value = 0.8
        panel.stops.click()
        assert panel.busy.value == "stopping ..."
        await until(lambda: not at_work(panel))
        assert "stopped; what is seen is what was there before." in panel.message.value
        assert "nib-wrong" not in panel.message.value and (side.stage.image.value, side.said.value) == before
        assert set(answers.kept) == known
        side.method.value = "nib"
        await until(lambda: side.asked.method == "nib")
        assert panel.message.value == "" and not at_work(panel)
        scene = nib.load_pairs("shapes", n=1, start=1).iloc[0]
        ex = nib.explain(clip, [scene.image], [scene.caption], "nib")
        torch.testing.assert_close(side.answer.ex.image_scores, ex.image_scores, rtol=1e-3, atol=1e-7)

    asyncio.run(person())


def test_what_is_asked_next_stops_what_is_under_way(panel):
    async def person():
        side, heart = panel.sides[0], panel.sides[0].caption.value
        begin_long(panel)
        await until(lambda: at_work(panel))
        side.words.buttons.index = 3
        assert "words and patches can be clicked when" in panel.message.value and side.words.buttons.index == 0
        first = panel.work.piece
        panel.number.value = 2  # still with all those masks
        panel.number.value = 3
        assert first.stopping and panel.work.piece is not first
        side.method.value = "gradcam"
        await until(lambda: side.asked.method == "gradcam" and not at_work(panel))
        assert panel.message.value == "" and side.asked.caption == nib.load_pairs("shapes", n=1, start=3).caption[0] != heart
        side.words.buttons.index = 3
        assert side.focus == ("word", 2)

    asyncio.run(person())


def test_what_goes_wrong_beside_the_kernels_thread_is_said(panel, monkeypatch):
    def fails(*_, **__):
        time.sleep(2 * work.SOON)
        raise ValueError("the <model> is tired.")

    async def person():
        panel.sides[0].caption.value = "a red star"
        await until(lambda: not at_work(panel))
        assert "the &lt;model&gt; is tired." in panel.message.value and "nib-wrong" in panel.message.value

    monkeypatch.setattr(work, "SOON", 0.05)
    monkeypatch.setattr(sessions, "explain", fails)
    asyncio.run(person())


@pytest.mark.filterwarnings("ignore:mfaba_boundary finds nothing")
@pytest.mark.parametrize("method", [name for name, run in nib.METHODS.items() if run.about.forwards >= 20])
def test_every_long_method_can_be_stopped_often(method, monkeypatch):
    """At each batch of masks, steps or points, which are as many as run at once."""
    stops, forwards, head = [], [], Tower.head
    monkeypatch.setattr(kept, "heed", lambda: stops.append(1))
    monkeypatch.setattr(Tower, "head", lambda tower, row: forwards.append(len(row)) or head(tower, row))
    for room in (tower, perturb):
        monkeypatch.setattr(room, "rows_at_once", lambda h: 3)
    masks = {"masks": 50} if "masks" in inspect.signature(nib.METHODS[method]).parameters else {}
    nib.explain(kept.keeping(nib.wrap(tiny.openai())), tiny.pixels(1), tiny.captions((7,)), method, **masks)
    assert len(stops) == len(forwards) > 2 and max(forwards) <= 3


def test_an_uploaded_picture_keeps_its_text_text(panel):
    own = png()
    upload(panel, "<b>own</b>.png", own)
    side = panel.sides[0]
    assert panel.message.value == "" and panel.source.value == "<b>own</b>.png"
    side.caption.value = "<script>alert(1)</script> heart"
    side.words.buttons.index = 1
    html = "".join(w.value for w in (side.stage.image, side.said, side.words.style_of, panel.message))
    assert "<b>own" not in html and "<script" not in html and "&lt;b&gt;own" in html and "&lt;script&gt;" in side.stage.image.value
    assert "pale" in side.said.value and side.behind.place[2] == pytest.approx(2 / 3, abs=0.01)
    assert len(side.stage.image.value) < 400_000
    upload(panel, "<b>own</b>.png", png((60, 60)))
    assert panel.source.value == "<b>own</b>.png (2)"


def test_an_upload_that_cannot_be_explained_yet_is_offered_all_the_same(panel):
    side = panel.sides[0]
    before, side.caption.value = side.stage.image.value, " "
    upload(panel, "own.png", png())
    assert "caption 0 is empty" in panel.message.value and side.stage.image.value == before
    side.caption.value = "a red star"
    assert panel.message.value == "" and side.asked.picture.name == panel.source.value == "own.png"


def test_it_saves_what_the_batch_does(clip, panel, tmp_path):
    side = panel.sides[0]
    side.method.value, side.caption.value = "nib", "a plain orange heart"
    panel.saves.click()
    panel.saves.click()  # the same again
    folder = panel.store.folder
    assert str(folder) in panel.message.value and folder.parent == tmp_path / "lab" / "explorer"
    table, figure = sorted(folder.glob("shapes-1-nib-a-plain-orange-heart-*"))
    record = json.loads((folder / "explorer.json").read_text())
    assert record["files"] == [table.name, figure.name] and list(record["views"]) == [table.stem]
    assert record["views"][table.stem] == {"model": "mini", "dataset": "shapes", "pair": 1, "method": "nib",
                                           "captions": ["a plain orange heart"], "options": {}}
    ex = nib.explain(clip, nib.load_pairs("shapes", n=1, start=1).image.tolist(), ["a plain orange heart"], "nib")
    kept = pd.read_csv(table)
    words, patches = kept[kept.kind == "word"], kept[kept.kind == "patch"]
    np.testing.assert_allclose(words.score, [word.score for word in ex.words()], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(words.share, [word.share for word in ex.words()], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(patches.score, ex.image_scores.flatten(), rtol=1e-3, atol=1e-7)
    ex.plot().savefig(tmp_path / "own.png", dpi=110)
    same = [np.asarray(Image.open(file).convert("RGB"), int) for file in (figure, tmp_path / "own.png")]
    assert np.abs(same[0] - same[1]).max() <= 2


def test_a_full_disk_is_said_and_leaves_nothing(small_disk, clip):
    panel = nib.explorer(clip, results=small_disk)
    panel.saves.click()
    assert "cannot be written" in panel.message.value and "nib-wrong" in panel.message.value
    assert not list(small_disk.rglob("*.part*")) and not list(small_disk.rglob("*.json"))


def test_pictures_and_models_of_ones_own(clip, tmp_path):
    (tmp_path / "own.png").write_bytes(png())
    panel = nib.explorer([clip, clip], [tmp_path / "own.png", Image.new("RGB", (50, 50))], ["a star", "a heart"], "attn_lrp", results=tmp_path)
    assert panel.source.options == ("own.png", "picture 1", "shapes", "shapes-hard") and panel.model.options == ("mini",)
    assert panel.two.value and [side.asked.caption for side in panel.sides] == ["a star", "a heart"]
    assert {side.asked.method for side in panel.sides} == {"attn_lrp"} and panel.number.layout.display == "none"
    panel.source.value = "shapes"
    assert panel.number.layout.display is None and panel.message.value == ""
    assert panel.model.layout.display is None
    other = nib.load_clip("mini")
    panel = nib.explorer([clip, other], results=tmp_path)  # of one name, and neither takes the other's place
    assert panel.model.options == ("mini", "mini (2)") and list(panel.session.given.values()) == [clip, other]


@pytest.mark.parametrize("given, words", [
    (dict(method="nob"), "no method is called 'nob'"), (dict(captions=["a"] * 3), "3 captions were given"),
    (dict(images=["none.png"]), "there is no file at 'none.png'"), (dict(scene=-1), "scene is -1"),
    (dict(options={"step": 1}), "nib_held has no option 'step'"), (dict(options={"detail": "x"}), "detail is 'x'"),
    (dict(method="nib", options={"layer": 99}), "layer is 99; the model has blocks 0..11"),
    (dict(models="none.pt"), "none.pt"), (dict(captions=" "), "caption 0 is empty")])
def test_what_makes_no_sense_is_refused_at_once(clip, tmp_path, given, words):
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=re.escape(words)):
        nib.explorer(**{"models": clip, "results": tmp_path} | given)


def test_a_grid_of_many_patches_is_one_widget(clip):
    from nib_utils.apps.explorer.choice import Choice

    heard = []
    grid = Choice(heard.append, "nib-patches")
    grid.offer([f"patch {i}" for i in range(576)])
    grid.choose(5)
    assert heard == [] and len(grid.options) == 576
    grid.index = 6
    grid.choose(None)
    assert heard == [6] and grid.index is None


def test_it_runs_with_the_widgets_of_colab():
    """These tests again, with ipywidgets 7.7 in place of 8."""
    if not Path(SEVEN, "ipywidgets").is_dir() or not SEVEN:
        pytest.skip('ipywidgets 7 is not at IPYWIDGETS_7; pip install --no-deps --target FOLDER "ipywidgets<8" ipython_genutils')
    env = os.environ | {"PYTHONPATH": os.pathsep.join([SEVEN, str(ROOT)]), "IPYWIDGETS_7": ""}
    code = "import ipywidgets, sys, pytest; assert ipywidgets.__version__[0] == '7'; sys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, __file__, "-q", "-x", "-p", "no:xdist"], env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
