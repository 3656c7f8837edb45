"""open_clip's models: their own pixels, activation and words; weights that are not theirs say so."""
import json

import numpy as np
import open_clip
import pytest
import tiny
import torch
from PIL import Image
from weights import check, copy, raises, sentence, write_own_tokenizer, write_tokenizer

from nib_utils.clip.captions import clip_bpe
from nib_utils.clip.pictures import Preprocess
from nib_utils.loading import open_clip as open_clip_models
from nib_utils.loading.live.wrap import wrap
from nib_utils.loading.load import load_clip


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size, config", [
    ((64, 64), dict()), ((64, 64), dict(resize_mode="squash")),
    ((64, 96), dict()), ((64, 96), dict(resize_mode="squash")),
    ((64, 64), dict(interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)))], ids=str)
def test_pixels_are_open_clips_own(size, config):
    from dataclasses import asdict

    from open_clip import set_model_preprocess_cfg
    from open_clip.transform import PreprocessCfg, image_transform_v2

    model, config = tiny.open_clip(image_size=size), PreprocessCfg(size=size, **config)
    set_model_preprocess_cfg(model, asdict(config))
    clip, own = wrap(model), image_transform_v2(config, is_train=False)
    for image in (picture(200, 131), picture(50, 120)):
        assert (clip.preprocess(image) - own(image)).abs().max() < 1e-5


def test_resizing_nobody_knows():
    from open_clip import set_model_preprocess_cfg

    model = tiny.open_clip()
    set_model_preprocess_cfg(model, dict(size=64, mean=(0, 0, 0), std=(1, 1, 1), resize_mode="longest"))
    with pytest.raises(ValueError) as error:
        wrap(model)
    assert "'longest'" in sentence(error)
    assert wrap(model, preprocess=Preprocess((64, 64))).preprocess.size == (64, 64)


def test_open_clips_own_pixel_statistics(files):
    clip = load_clip(f"open_clip:local-dir:{files['root']}/open_clip", device="cpu")
    assert clip.preprocess == Preprocess((64, 64), (0.5,) * 3, (0.25,) * 3, False, Image.Resampling.BILINEAR)


def test_a_published_tag_brings_its_activation(files, arch, monkeypatch):
    """open_clip builds what ARCH says, and OpenAI's weights then give wrong numbers; here the tag decides."""
    from open_clip import pretrained

    tag = pretrained._pcfg() | dict(file=str(files["root"] / "state.pt"))
    monkeypatch.setitem(pretrained._PRETRAINED, arch, dict(quick=tag | dict(quick_gelu=True), plain=tag))
    with pytest.warns(UserWarning, match="trained with QuickGELU"):
        check(load_clip(f"open_clip:{arch}@quick", device="cpu"), files)
    gelu = load_clip(f"open_clip:{arch}@plain", device="cpu").encode_image(tiny.pixels(2))
    assert (gelu - files["features"][0]).abs().max() > 1e-3


def test_an_open_clip_folder_with_its_own_words(files, tmp_path):
    folder, text = copy(files["root"] / "open_clip", tmp_path / "open_clip"), "a  Cat's hat"
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "some/words"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    raises(FileNotFoundError, f"open_clip:local-dir:{folder}", "some/words")
    write_tokenizer(folder)
    tokenizer = load_clip(f"open_clip:local-dir:{folder}", device="cpu").tokenizer
    assert tokenizer != clip_bpe() and tokenizer.encode(text) == clip_bpe().encode(text)
    with pytest.raises(FileNotFoundError) as error:
        open_clip_models.own_tokenizer("ViT-H-14-worldwide", open_clip.get_model_config("ViT-H-14-worldwide"))
    assert "facebook/xlm-v-base" in sentence(error)


def test_openais_own_file_brings_its_activation(files, arch):
    """As a tag does: the archive says QuickGELU, and the architecture that was named would have GELU."""
    with pytest.warns(UserWarning, match="'archive.pt' was trained with QuickGELU, so ViT-T-32 is built with it"):
        check(load_clip(f"open_clip:{arch}@{files['root']}/archive.pt", device="cpu"), files)
    check(load_clip(f"open_clip:{arch}-quickgelu@{files['root']}/archive.pt", device="cpu"), files)


def test_an_archive_with_gelu_is_not_built_with_quickgelu(files, arch, tmp_path):
    model = tiny.open_clip(heads=1)
    model.load_state_dict(files["state"])
    inputs = (tiny.pixels(1), tiny.padded(tiny.captions()[:1]))
    torch.jit.trace(model, inputs, check_trace=False).save(str(tmp_path / "gelu.pt"))
    raises(ValueError, f"open_clip:{arch}-quickgelu@{tmp_path}/gelu.pt", "of a model with GELU", "without -quickgelu")
    clip = load_clip(f"open_clip:{arch}@{tmp_path}/gelu.pt", device="cpu")
    own = tiny.features(model, tiny.pixels(2), tiny.padded(tiny.captions()))
    assert (clip.encode_image(tiny.pixels(2)) - own[0]).abs().max() < 1e-5
    assert (clip.encode_text(tiny.captions()) - own[1]).abs().max() < 1e-5


@pytest.mark.parametrize("custom", [True, False])
def test_weights_are_what_open_clip_itself_loads(files, arch, tmp_path, monkeypatch, custom):
    """Whole models, text towers apart or not, other picture sizes, scalars in a list, prefixes."""
    import open_clip
    from open_clip import factory

    config = files["config"] | dict(custom_text=custom, init_logit_bias=-10.0, nonscalar_logit_scale=True)
    config["vision_cfg"] = config["vision_cfg"] | dict(image_size=96)
    monkeypatch.setitem(factory._MODEL_CONFIGS, "ViT-T-96", config)
    state = files["state"] | dict(logit_bias=torch.tensor(-9.0))
    torch.save(dict(state_dict={f"module.{name}": value for name, value in state.items()}), tmp_path / "run.pt")
    own = open_clip.create_model("ViT-T-96", pretrained=str(tmp_path / "run.pt"))
    ours = load_clip(f"open_clip:ViT-T-96@{tmp_path}/run.pt", device="cpu").model
    assert type(ours) is type(own) and ours.state_dict().keys() == own.state_dict().keys()
    assert all(torch.equal(value, own.state_dict()[name]) for name, value in ours.state_dict().items())
    assert open_clip.get_model_preprocess_cfg(ours)["size"] == (96, 96)


@pytest.mark.parametrize("name, says", [
    ("coca_ViT-B-32", "decodes captions"), ("convnext_base", "convnext_base"), ("xlm-roberta-base-ViT-B-32", "roberta")])
def test_architectures_of_other_libraries_are_refused_before_anything_is_fetched(tmp_path, name, says):
    raises(ValueError, f"open_clip:{name}@{tmp_path}/any.pt", says, "what can be wrapped")


def test_names_nobody_knows(files, arch):
    raises(ValueError, "open_clip:ViT-B-23@openai", "'ViT-B-23'", "ViT-B-32")
    raises(ValueError, "open_clip:ViT-B-32", "no published weights ''", "laion2b_s34b_b79k")
    raises(ValueError, "open_clip:ViT-B-32@nonsense", "'nonsense'", "openai")
    raises(ValueError, f"open_clip:ViT-B-32@{files['root']}/state.pt", "belong to the architecture")


def test_weights_that_are_not_here(tmp_path, files, arch):
    from huggingface_hub.constants import HF_HUB_CACHE

    raises(FileNotFoundError, f"open_clip:{arch}@{tmp_path}/no.pt", str(tmp_path), "load_clip('mini')")
    raises(FileNotFoundError, "open_clip:ViT-B-32@openai", HF_HUB_CACHE, "load_clip('mini')", "local file")
    raises(FileNotFoundError, f"open_clip:local-dir:{tmp_path}/nothing", "open_clip_config.json", "load_clip('mini')")
    folder = copy(files["root"] / "open_clip", tmp_path / "open_clip")
    (folder / "open_clip_model.safetensors").unlink()
    raises(FileNotFoundError, f"open_clip:local-dir:{folder}", "weights", str(folder))


@pytest.mark.parametrize("content", ["{}", "{", "[]", '{"model_cfg": 3}', '{"model_cfg": {"vision_cfg": 1, "text_cfg": {}}}'])
def test_a_broken_configuration(files, tmp_path, content):
    folder = copy(files["root"] / "open_clip", tmp_path / "open_clip")
    (folder / "open_clip_config.json").write_text(content)
    raises(ValueError, f"open_clip:local-dir:{folder}", "open_clip", "again")


def test_a_folder_cannot_ask_for_its_own_code(files, tmp_path):
    folder, made = copy(files["root"] / "open_clip", tmp_path / "open_clip"), tmp_path / "made"
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] |= dict(hf_tokenizer_name="own", tokenizer_kwargs=dict(trust_remote_code=True))
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    write_own_tokenizer(folder, made)
    try:
        load_clip(f"open_clip:local-dir:{folder}", device="cpu")
    except ValueError:
        raises(ValueError, f"open_clip:local-dir:{folder}", "does not load")
    assert not made.exists()
