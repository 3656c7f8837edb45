"""One set of weights in every form that load_clip reads, and how an error of it is looked at."""
import json
import shutil
import warnings
from pathlib import Path

import pytest
import tiny
import torch

from nib_utils.loading.load import load_clip


def sentence(error) -> str:
    """The message of an error, which has to be one sentence on one line."""
    text = str(error.value)
    assert text.endswith((".", "?")) and "\n" not in text and len(text) < 900 and "weights_only" not in text, text
    return text


def raises(kind, spec: str, *says: str):
    with pytest.raises(kind) as error:
        load_clip(spec, device="cpu")
    text = sentence(error)
    for part in says:
        assert part in text, text


def check(clip, files):
    for got, want in zip((clip.encode_image(tiny.pixels(2)), clip.encode_text(tiny.captions())), files["features"]):
        assert got.dtype == torch.float32 and (got - want).abs().max() < 1e-5


def archive(state, file):
    """Weights as OpenAI publishes them: a TorchScript archive that also holds three numbers."""
    model = tiny.openai()
    model.load_state_dict(state)
    for name, value in (("input_resolution", 64), ("context_length", 77), ("vocab_size", 49408)):
        vars(model).pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, and OpenAI's files are traced
        torch.jit.trace(model, (tiny.pixels(1), tiny.padded(tiny.captions()[:1])), check_trace=False).save(str(file))


def write_tokenizer(folder):
    """CLIP's vocabulary in the files of transformers."""
    from clip.simple_tokenizer import SimpleTokenizer

    bpe = SimpleTokenizer()
    (folder / "vocab.json").write_text(json.dumps(bpe.encoder))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, bpe.bpe_ranks)]))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="CLIPTokenizer", bos_token="<|startoftext|>", eos_token="<|endoftext|>",
        unk_token="<|endoftext|>", pad_token="<|endoftext|>")))


def write_own_tokenizer(folder, made):
    """The same, of a class whose code lies beside it and makes the folder `made` when it is run."""
    write_tokenizer(folder)
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(made)!r})\nclass Own: pass\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="Own", auto_map=dict(AutoTokenizer=["own.Own", None]))))


def copy(source, target):
    return Path(shutil.copytree(source, target))
