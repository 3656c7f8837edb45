"""OpenAI's models by name and by file."""
import hashlib
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from weights import archive, check, raises

from nib_utils.loading import mini
from nib_utils.loading.load import load_clip


def test_names_nobody_knows():
    raises(ValueError, "ViT-Z/99", "no model is called 'ViT-Z/99'", "'mini'", "ViT-B/32", "open_clip:ARCH@TAG_OR_FILE")
    raises(ValueError, "RN50", "RN50 is a ResNet CLIP", "pass a ViT CLIP")


def test_weights_that_are_not_here(tmp_path):
    for spec in ("{}/no.pt", "{}/no.safetensors"):
        raises(FileNotFoundError, spec.format(tmp_path), str(tmp_path), "load_clip('mini')")


def test_only_files_that_do_not_say_their_activation_are_warned_of(files, recwarn):
    check(load_clip(files["root"] / "archive.pt", device="cpu"), files)
    assert not [w for w in recwarn if "activation" in str(w.message)]
    with pytest.warns(UserWarning, match="read as OpenAI's, QuickGELU; if open_clip trained it with GELU, load"):
        check(load_clip(files["root"] / "state.safetensors", device="cpu"), files)


def test_an_archive_of_a_model_with_gelu_is_not_taken_for_openais(files, tmp_path):
    model = tiny.open_clip(heads=1)
    model.load_state_dict(files["state"])
    inputs = (tiny.pixels(1), tiny.padded(tiny.captions()[:1]))
    torch.jit.trace(model, inputs, check_trace=False).save(str(tmp_path / "gelu.pt"))
    raises(ValueError, f"{tmp_path}/gelu.pt", "of a model with GELU", f"'open_clip:ARCH@{tmp_path}/gelu.pt'")


def test_minis_own_file_by_path(tmp_path):
    shutil.copy(mini.file_of("mini"), tmp_path / "mine.safetensors")
    x = tiny.pixels(1, (224, 224))
    a, b = (load_clip(spec, device="cpu").encode_image(x) for spec in ("mini", tmp_path / "mine.safetensors"))
    assert torch.equal(a, b)


@pytest.fixture
def shop(files, tmp_path, monkeypatch):
    """A server's folder with one published model in it, and an empty home."""
    from clip import clip

    monkeypatch.setenv("HOME", str(tmp_path))
    weights = (files["root"] / "archive.pt").read_bytes()
    folder = tmp_path / "server" / hashlib.sha256(weights).hexdigest()
    folder.mkdir(parents=True)
    (folder / "ViT-B-32.pt").write_bytes(weights)
    monkeypatch.setitem(clip._MODELS, "ViT-B/32", f"file://{folder}/ViT-B-32.pt")
    return folder / "ViT-B-32.pt"


def test_a_published_model_is_fetched_once(shop, files):
    check(load_clip("ViT-B/32", device="cpu"), files)
    shop.unlink()
    check(load_clip("ViT-B/32", device="cpu"), files)


def test_a_broken_download_leaves_nothing(shop, tmp_path):
    shop.write_bytes(shop.read_bytes()[:1000])
    raises(FileNotFoundError, "ViT-B/32", f"{tmp_path}/.cache/clip/ViT-B-32.pt", "invalid hash value", "load_clip('mini')")
    shop.unlink()
    raises(FileNotFoundError, "ViT-B/32", f"{tmp_path}/.cache/clip/ViT-B-32.pt", "could not be downloaded")
    assert not [file for file in Path(tmp_path, ".cache/clip").iterdir()]


def test_a_published_model_without_a_network(monkeypatch, tmp_path):
    from nib_utils.loading import openai

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(openai, "reachable", lambda url: False)
    raises(FileNotFoundError, "ViT-B/32", f"{tmp_path}/.cache/clip/ViT-B-32.pt", "cannot be reached", "load_clip('mini')")


def test_the_published_archives_need_no_torchscript(files, monkeypatch):
    monkeypatch.setattr(torch.jit, "load", None)
    check(load_clip(files["root"] / "archive.pt", device="cpu"), files)


def test_half_precision_archives(files, tmp_path):
    half = {name: value.half() for name, value in files["state"].items()}
    archive(half, tmp_path / "half.pt")
    assert load_clip(tmp_path / "half.pt", device="cpu").dtype == torch.float32
