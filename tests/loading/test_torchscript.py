"""TorchScript read without being run: the loaded module's own tensors, and nothing happens on the way."""
import zipfile
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn
from weights import archive, raises

from nib_utils.loading.torchscript import read_torchscript, take_apart, walk

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit")


class Mixed(nn.Module):
    """Shared and strided parameters, buffers, and tensors that are neither."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm, self.act = nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2), nn.GELU()
        self.again, self.list = self.linear, nn.ModuleList([nn.Linear(2, 2)])
        self.mask, self.numbers = torch.ones(3), [1, 2]
        self.register_buffer("buffer", torch.arange(6).view(2, 3).T)
        self.empty, self.strided = nn.Parameter(torch.empty(0, 3)), nn.Parameter(torch.randn(3, 4)[:, 1::2])

    def forward(self, x):
        return self.act(self.norm(self.linear(x))) + self.mask[:2] + self.numbers[0] + self.again(self.list[0](x))


def saved(kind: str, file: Path) -> Path:
    if kind == "mixed":
        torch.jit.script(Mixed()).save(str(file))
    elif kind == "float32":
        archive(tiny.openai().state_dict(), file)
    else:
        from clip.model import convert_weights

        model, inputs = tiny.openai(), (tiny.pixels(1).half(), tiny.padded(tiny.captions()[:1]))
        convert_weights(model)
        torch.jit.trace(model, inputs, check_trace=False).save(str(file))
    return file


@pytest.mark.parametrize("kind", ["float32", "half", "mixed"])
def test_the_tensors_are_those_of_the_loaded_module_to_the_bit(tmp_path, kind):
    file = saved(kind, tmp_path / "archive.pt")
    with zipfile.ZipFile(file) as zipped:
        state, classes = read_torchscript(zipped)
    own = torch.jit.load(str(file)).state_dict()
    assert state.keys() == own.keys() and len(own) > 10
    for name, value in own.items():
        assert state[name].dtype == value.dtype and state[name].stride() == value.stride()
        assert torch.equal(state[name], value), name
    assert ("QuickGELU" in classes, "GELU" in classes) == (kind != "mixed", kind == "mixed")
    assert kind != "half" or {v.dtype for v in state.values()} == {torch.float16, torch.float32}


def test_what_torch_saves_itself_is_no_torchscript(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "eager.pt")
    with zipfile.ZipFile(tmp_path / "eager.pt") as zipped:
        assert read_torchscript(zipped) is None


def writes_on_load(folder: Path, at_top: bool) -> tuple[Path, Path]:
    """An archive whose class writes a file when it is restored, and that file."""
    trace = str(folder / "written.pt")

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.trace = nn.Parameter(torch.ones(2)), trace

        @torch.jit.export
        def __getstate__(self):
            return (self.weight, self.trace, self.training)

        @torch.jit.export
        def __setstate__(self, state: tuple[torch.Tensor, str, bool]):
            self.weight, self.trace, self.training = state[0], state[1], state[2]
            torch.save(state[0], state[1])

        def forward(self, x):
            return x + self.weight

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Part()

        def forward(self, x):
            return self.part(x)

    torch.jit.script(Part() if at_top else Whole()).save(str(folder / "model.pt"))
    return folder / "model.pt", Path(trace)


@pytest.mark.parametrize("at_top", [True, False])
def test_a_file_that_writes_when_it_is_restored(tmp_path, at_top):
    file, written = writes_on_load(tmp_path, at_top)
    torch.jit.load(str(file))
    assert written.exists()  # so the attack is real
    written.unlink()
    for spec in (str(file), f"open_clip:ViT-B-32@{file}"):
        raises(ValueError, spec, "not a readable checkpoint", "code of its own, which is not run")
    assert not written.exists() and list(tmp_path.iterdir()) == [file]


def rewritten(source: Path, target: Path, name: str, change) -> Path:
    """The archive with the records of a name changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info, change(data) if name in info.filename else data)
    return target


def test_records_that_claim_what_they_do_not_have(tmp_path):
    file = saved("mixed", tmp_path / "archive.pt")
    for name, change, says in (
            ("/data/", lambda data: data[:-1], "bytes, not"),
            ("/data.pkl", lambda data: data[: len(data) // 2], "not a readable"),
            ("/data.pkl", lambda data: b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "no module"),
            ("/data.pkl", lambda data: b"\x80\x02(K\x01K\x02i__main__\nx\n.", "INST"),
            ("/data.pkl", lambda data: b"\x80\x04\x8e" + b"\xff" * 8 + b".", "not a readable")):
        changed = rewritten(file, tmp_path / "changed.pt", name, change)
        raises(ValueError, str(changed), "not a readable checkpoint", says)


def test_a_zip_that_unpacks_to_more_than_it_is(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("m/constants.pkl", b"")
        with bomb.open("m/data/0", "w", force_zip64=True) as record:
            for _ in range(100):
                record.write(b"\0" * 2**20)
    assert (tmp_path / "bomb.pt").stat().st_size < 2**18
    raises(ValueError, str(tmp_path / "bomb.pt"), "claims to unpack to", "download it again")


def test_modules_nested_without_end():
    top = take_apart(b"\x80\x02c__torch__\nM\n)\x81q\x00}(X\x01\x00\x00\x00xh\x00ub.")  # a module x of itself
    with pytest.raises(ValueError, match="nests more than"):
        walk(top)


def test_nothing_is_called():
    pickled = b"\x80\x02cbuiltins\nprint\nX\x02\x00\x00\x00hi\x85R."
    assert take_apart(pickled) == ("builtins print", ("hi",))
    with pytest.raises(ValueError, match="code of its own"):
        take_apart(b"\x80\x02c__torch__\nM\n)\x81K\x01b.")


def test_one_number_that_claims_to_be_a_million(tmp_path):
    model = nn.Module()
    model.weight = nn.Parameter(torch.ones(1).expand(10**6))
    torch.jit.script(model).save(str(tmp_path / "wide.pt"))
    raises(ValueError, str(tmp_path / "wide.pt"), "larger than what the file holds")
