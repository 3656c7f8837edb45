"""Names of the hub: the cache first, and a short question before anything is asked of a server."""
import json
import logging
import socket
import time
from types import SimpleNamespace

import pytest
from huggingface_hub import constants
from weights import check, copy, raises, write_tokenizer

from nib_utils.loading import hub
from nib_utils.loading.load import load_clip


@pytest.fixture
def silent(monkeypatch):
    """A hub that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(hub, "time", SimpleNamespace(monotonic=lambda: 0.0))  # no minute ends in mid-test
        hub.asked.cache_clear()
        yield


@pytest.mark.parametrize("spec", ["hf:nobody/nothing", "open_clip:ViT-B-32@openai", "open_clip:ViT-H-14@metaclip_altogether"])
def test_a_hub_out_of_reach_is_one_sentence_after_one_short_question(silent, spec, caplog, capfd):
    import open_clip  # noqa: F401, imported so that only the question is timed
    import transformers  # noqa: F401

    start = time.perf_counter()
    raises(FileNotFoundError, spec, "the hub cannot be reached", constants.HF_HUB_CACHE, "load_clip('mini')")
    assert hub.asked.cache_info().misses == 1 and hub.PATIENCE < 3
    assert time.perf_counter() - start < 15  # nobody else asked: the hub's own library would go on for longer
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not "".join(capfd.readouterr())


def test_a_server_that_refuses_is_there_and_one_that_fails_is_not(monkeypatch):
    from urllib.error import HTTPError, URLError

    for error, there in ((HTTPError("u", 404, "", {}, None), True), (HTTPError("u", 503, "", {}, None), False),
                         (URLError(OSError("no route")), False), (OSError("Tunnel connection failed"), False)):
        def refuse(*args, error=error, **options):
            raise error

        hub.asked.cache_clear()
        monkeypatch.setattr(hub, "urlopen", refuse)
        assert hub.reachable("http://127.0.0.1/") is there


def cached(folder, cache, name):
    """A folder as the hub's cache keeps it."""
    place = cache / f"models--{name.replace('/', '--')}"
    copy(folder, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")


def test_what_is_in_the_cache_needs_no_hub(silent, files, tmp_path, monkeypatch):
    import huggingface_hub.file_download
    import transformers.utils.hub

    folder = copy(files["root"] / "hf", tmp_path / "model")
    write_tokenizer(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(dict(image_mean=[0.1, 0.2, 0.3])))
    cached(folder, tmp_path / "cache", "some/model")
    for module in (constants, huggingface_hub.file_download.constants, transformers.utils.hub.constants):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "cache"))
    start = time.perf_counter()
    clip = load_clip("hf:some/model", device="cpu")
    assert time.perf_counter() - start < 15  # the hub's own library would go on for longer
    check(clip, files)
    assert clip.preprocess.mean == (0.1, 0.2, 0.3) and clip.tokenizer.encode("a cat")


def test_an_offline_hub_is_not_asked(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "reachable", None)
    assert not hub.hub_reachable() and hub.find("some/model", "config.json") is None


@pytest.mark.parametrize("name", ["", "a/b/c", "no such name", "../..", "x" * 200])
def test_names_that_no_repository_has(name):
    raises(FileNotFoundError, f"hf:{name}", "config.json")
