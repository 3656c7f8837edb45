"""CLIPs of transformers: their own words and pictures; broken folders say which file is broken."""
import json

import pytest
import tiny
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from weights import copy, raises, write_own_tokenizer, write_tokenizer

from nib_utils.clip.captions import EOS, SOS, clip_bpe
from nib_utils.clip.pictures import Preprocess
from nib_utils.loading.live.wrap import wrap
from nib_utils.loading.load import load_clip


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_implementation_does_not_matter(attention):
    model, x, ids = tiny.hf(), tiny.pixels(2), tiny.captions()
    model.set_attn_implementation(attention)
    image, text = tiny.features(model, x, tiny.padded(ids))
    assert (wrap(model).encode_image(x) - image).abs().max() < 1e-5
    assert (wrap(model).encode_text(ids) - text).abs().max() < 1e-5


def test_a_hub_folder_with_its_own_words_and_pictures(files, tmp_path):
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    write_tokenizer(folder)
    processor = dict(size={"height": 64, "width": 64}, image_mean=[0.1, 0.2, 0.3], image_std=[1, 1, 1], resample=2)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    clip, text = load_clip(f"hf:{folder}", device="cpu"), "A photo of a Cat's hat, unbelievably 12!"
    assert clip.tokenizer.encode(text) == clip_bpe().encode(text)
    words = clip.tokenizer.words(clip.tokenizer.encode(text))
    assert words == clip_bpe().words(clip_bpe().encode(text)) and words[0] == SOS and words[-1] == EOS
    for said in (text, "a zebra gallops, 一只猫"):
        assert clip.tokenizer.spans(clip.tokenizer.encode(said)) == clip_bpe().spans(clip_bpe().encode(said))
    assert clip.preprocess == Preprocess((64, 64), (0.1, 0.2, 0.3), (1, 1, 1), True, Image.Resampling.BILINEAR)

    (folder / "preprocessor_config.json").unlink()  # the same as transformers 5 writes it
    processor = dict(image_processor=processor | dict(size={"shortest_edge": 80}))
    (folder / "processor_config.json").write_text(json.dumps(processor))
    with pytest.warns(UserWarning, match="to 80 before it crops 64"):
        assert not load_clip(f"hf:{folder}", device="cpu").preprocess.squash


def test_a_checkpoint_that_lacks_a_parameter(files, tmp_path):
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    state = load_file(folder / "model.safetensors")
    del state["text_model.final_layer_norm.bias"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    raises(ValueError, f"hf:{folder}", "lack parameters", "(1, the first is text_model.final_layer_norm.bias)")
    state["text_model.final_layer_norm.bias"] = torch.zeros(3)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    raises(ValueError, f"hf:{folder}", "another shape (1, the first is text_model.final_layer_norm.bias)")


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize("content", [
    "{", "[]", '"text"', dict(size="wide"), dict(size=dict(shortest_edge=None)), dict(image_mean="grey"),
    dict(image_mean=[0.5]), dict(image_std=[0, 0, 0]), dict(image_std=[1, None, 1]), dict(resample=99)], ids=str)
def test_a_broken_processor_is_named(files, tmp_path, name, content):
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    if isinstance(content, dict):
        content = json.dumps(dict(image_processor=content) if name.startswith("processor") else content)
    (folder / name).write_text(content)
    raises(ValueError, f"hf:{folder}", str(folder / name), "get it again")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "vocab.json"])
@pytest.mark.parametrize("content", ["{", "[]", "\0", '{"model": 3}'])
def test_a_broken_tokenizer_is_named(files, tmp_path, name, content):
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    write_tokenizer(folder)
    (folder / name).write_text(content)
    try:
        tokenizer = load_clip(f"hf:{folder}", device="cpu").tokenizer
    except ValueError:
        raises(ValueError, f"hf:{folder}", "tokenizer", str(folder), name)
    else:
        assert tokenizer.encode("a cat") == clip_bpe().encode("a cat")  # the other files say it all


def test_a_tokenizer_that_brings_code_is_not_run(files, tmp_path):
    folder, made = copy(files["root"] / "hf", tmp_path / "hf"), tmp_path / "made"
    write_own_tokenizer(folder, made)
    try:
        load_clip(f"hf:{folder}", device="cpu")
    except ValueError:
        raises(ValueError, f"hf:{folder}", "tokenizer_config.json", "does not load")
    assert not made.exists()


def test_names_and_folders_that_lack_something(tmp_path, files):
    from huggingface_hub.constants import HF_HUB_CACHE

    raises(FileNotFoundError, "hf:nobody/nothing", HF_HUB_CACHE, "load_clip('mini')", "folder")
    raises(FileNotFoundError, f"hf:{tmp_path}/nothing", f"{tmp_path}/nothing", "load_clip('mini')")
    raises(FileNotFoundError, f"hf:{tmp_path}", "config.json", "load_clip('mini')")
    folder = copy(files["root"] / "hf", tmp_path / "hf")
    (folder / "model.safetensors").unlink()
    raises(FileNotFoundError, f"hf:{folder}", "weights", str(folder))


def test_corrupt_files(tmp_path, files):
    for name in ("model.safetensors", "pytorch_model.bin"):
        folder = copy(files["root"] / "hf", tmp_path / name)
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(b"nothing of a checkpoint" * 10)
        raises(ValueError, f"hf:{folder}", "do not load")
    (folder / "config.json").write_text("{")
    raises(ValueError, f"hf:{folder}", "not JSON")
    (folder / "config.json").write_text(json.dumps(dict(model_type="siglip")))
    raises(ValueError, f"hf:{folder}", "'siglip'")
