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
WAIT = 240  # seconds for each step: a slow machine with much else to do; a quiet one takes one or two
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


def test_caption_method_word_patch_stop_upload_and_save(page, tmp_path):
    from playwright.sync_api import expect

    expect.set_options(timeout=1000 * WAIT)
    shown, said = page.locator(".nib-stage img").first, page.locator(".nib-said").first
    caption, words = page.get_by_label("caption").first, page.locator(".nib-words button")

    def type_in(text):
        caption.fill(text)
        caption.press("Enter")

    def another_map(act):
        before = shown.get_attribute("src")
        act()
        expect(shown).not_to_have_attribute("src", before)

    shown.wait_for()
    expect(said).to_contain_text("similarity")
    type_in("a heart, <b>bold</b> <img src=x onerror=alert(1)>")
    expect(words.nth(5)).to_contain_text("b")
    expect(words.nth(12)).to_contain_text("img")
    assert page.locator(".nib-words img, .nib-words b").count() == 0
    another_map(lambda: type_in("a plain orange heart"))
    expect(words).to_have_text(["whole caption", "a", "plain", "orange", "heart"])

    another_map(lambda: words.nth(4).click())
    expect(said).to_contain_text("“heart”: the patches give it")
    box = shown.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 3.5 / 7, box["y"] + box["height"] * 4.5 / 7)
    expect(said).to_contain_text("row 5, column 4 gives")
    page.screenshot(path=tmp_path / "patch.png")
    another_map(lambda: page.get_by_label("method", exact=True).select_option("nib"))
    another_map(lambda: page.get_by_label("outline").check())

    another_map(lambda: page.get_by_label("method", exact=True).select_option("rise"))
    page.get_by_text("options of the method").first.click()
    page.get_by_label("masks").fill("100000")
    page.get_by_label("masks").press("Enter")
    stop = page.get_by_role("button", name="stop")
    stop.wait_for()
    page.screenshot(path=tmp_path / "working.png")
    before = shown.get_attribute("src")
    stop.click()
    expect(page.locator(".nib-well")).to_have_text("stopped; what is seen is what was there before.")
    expect(stop).to_be_hidden()
    assert shown.get_attribute("src") == before
    another_map(lambda: page.get_by_label("method", exact=True).select_option("gradcam"))
    another_map(lambda: page.get_by_label("method", exact=True).select_option("nib"))

    name = "<b>own</b>.png"
    Image.effect_mandelbrot((900, 300), (-2, -1, 1, 1), 40).save(tmp_path / "own.png")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="upload").click()
    file = {"name": name, "mimeType": "image/png", "buffer": (tmp_path / "own.png").read_bytes()}
    another_map(lambda: chooser.value.set_files(file))
    expect(page.get_by_label("picture").locator("option:checked")).to_have_text(name)
    grid, box = page.locator(".nib-patches").bounding_box(), shown.bounding_box()
    assert grid["width"] == pytest.approx(box["width"] / 2, abs=2)  # seen is its middle; beyond half of that it is left out
    assert grid["height"] == pytest.approx(box["height"], abs=2)
    assert grid["x"] == pytest.approx(box["x"] + box["width"] / 4, abs=2)

    before = shown.get_attribute("src")
    type_in(" ")
    expect(page.locator(".nib-wrong")).to_contain_text("caption 0 is empty")
    assert shown.get_attribute("src") == before
    page.get_by_role("button", name="save").click()
    expect(page.locator(".nib-well")).to_contain_text("saved in")
    folder = tmp_path / "results-lab" / "explorer" / "mini-shapes"
    table = next(folder.glob("b-own-b-.png-nib-*.csv"))
    assert set(pd.read_csv(table).caption) == {"a plain orange heart"}
    assert Image.open(table.with_suffix(".png")).width > 900

    type_in("a large star")
    expect(page.locator(".nib-wrong")).to_have_count(0)
    page.get_by_label("two side by side").check()
    page.locator(".nib-stage img").nth(1).wait_for()
    page.set_viewport_size({"width": 390, "height": 844})  # a phone
    page.screenshot(path=tmp_path / "phone.png")
    parts = page.locator(".nib-explorer .widget-text, .nib-stage, .nib-words button").all()
    boxes = [box for part in parts if (box := part.bounding_box())]  # of what is folded away there is none
    assert len(boxes) > 10 and all(0 <= box["x"] <= 390 - box["width"] for box in boxes)
