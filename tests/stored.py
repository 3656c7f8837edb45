"""The weights that the tests of loading share."""
import json

import pytest
import tiny
import torch
from safetensors.torch import save_file
from weights import archive


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """One set of weights in every form that load_clip reads, and its features."""
    root = tmp_path_factory.mktemp("weights")
    model = tiny.hf(heads=1)
    state = tiny.openai_names(model.state_dict())
    torch.save(state, root / "state.pt")
    torch.save({"epoch": 3, "state_dict": state}, root / "training.pt")
    save_file(state, root / "state.safetensors")
    archive(state, root / "archive.pt")
    model.save_pretrained(root / "hf")
    folder = root / "open_clip"
    folder.mkdir()
    config = dict(model_cfg=tiny.open_clip_config(heads=1, quick_gelu=True),
                  preprocess_cfg=dict(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25], interpolation="bilinear"))
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(state, folder / "open_clip_model.safetensors")
    return dict(root=root, state=state, config=config["model_cfg"],
                features=tiny.features(model, tiny.pixels(2), tiny.padded(tiny.captions())))


@pytest.fixture
def arch(files, monkeypatch):
    """The name under which open_clip knows the tiny architecture, with GELU, as long as a test runs."""
    from open_clip import factory

    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-T-32", files["config"] | dict(quick_gelu=False))
    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-T-32-quickgelu", files["config"])
    return "ViT-T-32"
