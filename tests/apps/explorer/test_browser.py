"""The explorer as people have it: the notebook served by Voila, in a browser that is on this machine."""
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
WAIT = 300  # seconds: a slow machine with much else to do
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def address(tmp_path):
    """Where Voila serves a copy of the notebook, whose results go beside it."""
    pytest.importorskip("voila", reason="Voila is not installed")
    (tmp_path / "notebooks").mkdir()
    book = shutil.copy(ROOT / "notebooks" / "explorer.ipynb", tmp_path / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = f"http://127.0.0.1:{port}/"
    env = os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_PREFER_ENV_PATH": "1"}
    with open(tmp_path / "voila.log", "w") as log:
        command = [sys.executable, "-m", "voila", "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}", book]
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(served + "voila/static/nothing"), server)
        yield served
    finally:
        server.terminate()  # and with it the kernels
        server.wait(60)


def answers(address: str) -> bool:
    try:
        urlopen(address, timeout=5)
    except URLError as error:
        return hasattr(error, "code")  # it says no, but it says something
    return True


def wait_for(there, server: subprocess.Popen) -> None:
    end = time.monotonic() + WAIT
    while not there():
        assert server.poll() is None and time.monotonic() < end, "Voila does not come up"
        time.sleep(0.5)


@pytest.fixture
def page(address):
    if BROWSER is None:
        pytest.skip("there is no browser: none of chromium, chromium-browser, google-chrome is on the path")
    play = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with play.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(1000 * WAIT)
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(address) else route.abort())
        page.goto(address, wait_until="commit")
        yield page
        browser.close()


def test_upload_caption_method_word_patch_and_save(page, tmp_path):
    shown, said = page.locator(".nib-stage img"), page.locator(".nib-said")
    message, words = page.locator("[role=status]"), page.locator(".nib-words button")
    shown.wait_for()
    assert said.inner_text().startswith("similarity")
    page.screenshot(path=tmp_path / "first.png")

    def type_in(caption):
        page.get_by_label("caption").fill(caption)
        page.get_by_label("caption").press("Enter")

    def after(act, locator=shown, what="src"):  # the image, or what is said, is another one
        before = locator.get_attribute(what) if what == "src" else locator.inner_text()
        act()
        look = f"e => {'e.getAttribute(' + repr(what) + ')' if what == 'src' else 'e.innerText'}"
        page.wait_for_function(f"([e, before]) => ({look})(e) !== before", arg=[locator.element_handle(), before])

    after(lambda: type_in("a heart, <b>bold</b> <img src=x onerror=alert(1)>"), said, "text")
    assert "<b>" not in words.nth(4).inner_html() and page.locator(".nib-words img, .nib-explorer b b").count() == 0
    after(lambda: type_in("a plain orange heart"))
    assert [text.split("\n")[0] for text in words.all_inner_texts()] == ["whole caption", "a", "plain", "orange", "heart"]

    after(lambda: words.nth(4).click(), said, "text")
    assert "“heart”: the patches give it" in said.inner_text()
    box = shown.bounding_box()
    spot = {"x": box["width"] * 3.5 / 7, "y": box["height"] * 4.5 / 7}
    after(lambda: page.mouse.click(box["x"] + spot["x"], box["y"] + spot["y"]), said, "text")
    assert "row 5, column 4 gives" in said.inner_text()
    page.screenshot(path=tmp_path / "patch.png")
    after(lambda: page.get_by_label("method").select_option("nib"))
    after(lambda: page.get_by_label("outline").check())

    name = "<b>own</b>.png"
    Image.effect_mandelbrot((900, 300), (-2, -1, 1, 1), 40).save(tmp_path / "own.png")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="upload").click()
    content = {"name": name, "mimeType": "image/png", "buffer": (tmp_path / "own.png").read_bytes()}
    after(lambda: chooser.value.set_files(content))
    assert page.get_by_label("picture").locator("option:checked").inner_text() == name
    grid, box = page.locator(".nib-patches").bounding_box(), shown.bounding_box()
    assert grid["height"] == pytest.approx(box["height"], rel=0.02)  # what is seen: the middle, as wide as it is high
    assert grid["width"] == pytest.approx(grid["height"], rel=0.02) and grid["width"] < 0.6 * box["width"]
    assert grid["x"] + grid["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=3)

    before = shown.get_attribute("src")
    type_in(" ")
    page.locator(".nib-wrong").wait_for()
    assert "caption 0 is empty" in message.inner_text() and shown.get_attribute("src") == before
    page.get_by_role("button", name="save").click()
    page.locator(".nib-well").wait_for()
    folder = tmp_path / "results-lab" / "explorer" / "mini-shapes"
    table = next(folder.glob("b-own-b-.png-nib-*.csv"))
    assert set(pd.read_csv(table).caption) == {"a plain orange heart"} and Image.open(table.with_suffix(".png")).width > 900

    page.get_by_label("two side by side").check()
    page.locator(".nib-stage img").nth(1).wait_for()
    page.screenshot(path=tmp_path / "two.png")
    page.set_viewport_size({"width": 390, "height": 844})  # a phone
    for part in page.locator(".nib-explorer .widget-text, .nib-stage, .nib-words button").all():
        box = part.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.screenshot(path=tmp_path / "phone.png")
