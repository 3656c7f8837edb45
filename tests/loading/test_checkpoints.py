"""Files of weights: what a training run wrote is understood, what holds no CLIP says what it is, nothing is run."""
import os
import pickle
import zipfile

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch import nn
from weights import check, copy, raises

from nib_utils.loading.checkpoints import read_checkpoint
from nib_utils.loading.load import load_clip


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


TRAINING = {  # what saved it: how the weights lie in the file
    "open_clip": lambda state: dict(epoch=3, name="mine", state_dict=prefixed(state, "module."), optimizer=dict(state={})),
    "DistributedDataParallel": lambda state: prefixed(state, "module."),
    "torch.compile under it": lambda state: dict(model=prefixed(state, "module._orig_mod."), optimizer={}, step=7),
    "Lightning": lambda state: dict(state_dict=prefixed(state, "model."), hyper_parameters=dict(lr=0.1)),
    "accelerate": lambda state: dict(model_state_dict=state, loss=0.5),
}


@pytest.mark.parametrize("kind", TRAINING)
def test_a_checkpoint_of_a_training_run(files, arch, tmp_path, kind):
    torch.save(TRAINING[kind](files["state"]), tmp_path / "run.pt")
    assert read_checkpoint(tmp_path / "run.pt").state.keys() == files["state"].keys()
    with pytest.warns(UserWarning, match="does not say which activation"):
        check(load_clip(tmp_path / "run.pt", device="cpu"), files)
    check(load_clip(f"open_clip:{arch}-quickgelu@{tmp_path}/run.pt", device="cpu"), files)


CONTENTS = {  # what a file holds: (what is in it, what the sentence says)
    "ResNet CLIP": (lambda: tiny.openai(vision_layers=(1, 1, 1, 1)).state_dict(), "a ResNet CLIP"),
    "transformers": (lambda: tiny.hf().state_dict(), "'hf:FOLDER'"),
    "adapter": (lambda: {"base_model.model.text_model.q_proj.lora_A.weight": torch.ones(2)}, "merge it into its model"),
    "timm's ViT": (lambda: {"cls_token": torch.ones(2), "patch_embed.proj.weight": torch.ones(2)}, "without a text tower"),
    "transformers' ViT": (lambda: {"vit.embeddings.patch_embeddings.projection.weight": torch.ones(2)}, "without a text"),
    "CoCa": (lambda: {"text_decoder.ln_final.weight": torch.ones(2)}, "CoCa"),
    "another library's tower": (lambda: {"visual.trunk.cls_token": torch.ones(2)}, "tower of timm"),
    "open_clip's CustomTextCLIP": (lambda: tiny.open_clip(custom_text=True).state_dict(), "load 'open_clip:ARCH@"),
    "something else": (lambda: {"a": torch.zeros(2)}, "not the state dict of an OpenAI CLIP: it lacks visual.proj"),
    "an optimiser": (lambda: torch.optim.Adam([nn.Parameter(torch.ones(2))]).state_dict(), "of an optimiser, and no weights"),
    "an optimiser and its epoch": (lambda: dict(epoch=1, optimizer={}), "of an optimiser, and no weights"),
    "nothing": (lambda: {}, "holds no weights"),
    "a list": (lambda: [1, 2], "something other than a state dict of tensors, a list"),
    "a tensor": (lambda: torch.ones(2), "something other than a state dict of tensors, a Tensor"),
    "numbers": (lambda: dict(accuracy=0.5), "something other than a state dict of tensors: accuracy"),
    "ids for names": (lambda: {1: torch.ones(2)}, "something other than a state dict"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_holds_no_clip_says_what_it_is(tmp_path, kind):
    make, says = CONTENTS[kind]
    torch.save(make(), tmp_path / "other.pt")
    raises(ValueError, str(tmp_path / "other.pt"), "other.pt", says)


FILES = {  # what a file is: (its bytes, what the sentence says)
    "empty": (b"", "it is empty"),
    "text": (b"nothing of a checkpoint\n" * 10, "it is text"),
    "a web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
    "a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", "`git lfs pull`"),
    "noise": (bytes(range(256)) * 10, "not a readable checkpoint"),
    "cut off": (None, "not a readable checkpoint"),
}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_no_checkpoint(files, arch, tmp_path, kind, suffix):
    content, says = FILES[kind]
    whole = (files["root"] / f"state{suffix}").read_bytes()
    (file := tmp_path / f"weights{suffix}").write_bytes(whole[: len(whole) // 2] if content is None else content)
    for spec in (str(file), f"open_clip:{arch}@{file}"):
        raises(ValueError, spec, "not a readable checkpoint", says, str(file))


def test_a_folder_is_none(tmp_path):
    (tmp_path / "folder.pt").mkdir()
    raises(ValueError, str(tmp_path / "folder.pt"), "is a folder", "'hf:FOLDER'")
    raises(ValueError, str(tmp_path), "is no checkpoint", "'hf:FOLDER'")


class Runs:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (self.file,)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_that_runs_code_is_refused_unread(arch, tmp_path, legacy):
    file, made = tmp_path / "model.pt", tmp_path / "made"
    torch.save({"a": torch.ones(2), "b": Runs(str(made))}, file, _use_new_zipfile_serialization=not legacy)
    for spec in (str(file), f"open_clip:{arch}@{file}"):
        raises(ValueError, spec, "needs posix.mkdir to be read, which could run code", "state_dict() alone")
    file.write_bytes(pickle.dumps(Runs(str(made)), protocol=2))
    raises(ValueError, str(file), "not a readable checkpoint")
    torch.save(nn.Linear(2, 2), file)
    raises(ValueError, str(file), "needs torch.nn.modules.linear.Linear")
    assert not made.exists()


def test_hub_folders_with_pickles_that_run_code(files, tmp_path):
    made = tmp_path / "made"
    for form, weights in (("hf", "model.safetensors"), ("open_clip", "open_clip_model.safetensors")):
        folder = copy(files["root"] / form, tmp_path / form)
        (folder / weights).unlink()
        torch.save({"a": Runs(str(made))}, folder / "pytorch_model.bin")
        raises(ValueError, f"{form}:{'local-dir:' if form == 'open_clip' else ''}{folder}", form)
    assert not made.exists()


def test_what_the_file_says_of_its_activation(files, tmp_path):
    torch.save(files["state"] | {"input_resolution": torch.tensor(64)}, tmp_path / "marked.pt")
    for file, told in ((files["root"] / "archive.pt", True), (tmp_path / "marked.pt", True),
                       (files["root"] / "state.pt", None), (files["root"] / "state.safetensors", None)):
        checkpoint = read_checkpoint(file)
        assert checkpoint.quick_gelu is told and checkpoint.state.keys() == files["state"].keys()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(files, arch, tmp_path, bad):
    state = {name: value.clone() for name, value in files["state"].items()}
    state["ln_final.weight"][3] = bad
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.warns(UserWarning):
        raises(ValueError, f"{tmp_path}/nan.safetensors", "NaN or infinity in 1 parameters", "ln_final.weight")
    raises(ValueError, f"open_clip:{arch}-quickgelu@{tmp_path}/nan.safetensors", "NaN or infinity in 1 parameters")


def test_shapes_that_do_not_fit(files, arch, tmp_path):
    torch.save(files["state"] | {"visual.proj": torch.zeros(3, 3)}, tmp_path / "shapes.pt")
    raises(ValueError, f"{tmp_path}/shapes.pt", "not the state dict of an OpenAI CLIP")
    raises(ValueError, f"open_clip:{arch}@{tmp_path}/shapes.pt", "belong to the architecture")


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "pictures.pt", "w") as zipped:
        zipped.writestr("a.txt", "hello")
    raises(ValueError, f"{tmp_path}/pictures.pt", "not a readable checkpoint")
