"""What SECURITY.md promises of strangers' files, as far as no room's own tests hold it."""
import json
import struct
import zlib

import pytest

from nib_utils.apps import shell
from nib_utils.apps.batch import report
from nib_utils.apps.batch.keys import record_in
from nib_utils.apps.batch.names import executed_copy, run_folder
from nib_utils.clip.pictures import read_image
from nib_utils.common.files import write_whole

HOSTILE = ["../../../out", "/etc/passwd", "..", "a\0b", "-rf", ".hidden", "~root", "$(touch x)", "x" * 300, "a/../../b", "\n"]


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be of this size."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_a_picture_that_claims_more_than_any_memory_holds(tmp_path, capsys):
    file = tmp_path / "bomb.png"
    file.write_bytes(bomb(60_000, 60_000))
    with pytest.raises(ValueError, match="^image 0: '.*bomb.png' cannot be read as an image .DecompressionBombError: .*; replace or remove it.$"):
        read_image(file, "image 0")
    asked = ["run", "quickstart", "-p", "image", str(file), "-p", "captions", "[a dog]", "--results", str(tmp_path / "results")]
    assert shell.main(asked) == 1 and not (tmp_path / "results").exists()
    said = capsys.readouterr().err
    assert said.startswith("nib_utils: image: '") and "decompression bomb" in said and said.count("\n") == 1


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("parameter", ["model", "dataset", "root", "image"])
def test_no_name_leads_out_of_the_folder_of_results(name, parameter, tmp_path):
    notebook = "quickstart" if parameter == "image" else "main_table"
    if "\0" in name and parameter in ("root", "image"):
        pytest.skip("a path with a zero is refused when it is looked for")
    root, given = tmp_path / "results", {parameter: name if parameter != "model" else f"hf:{name}"}
    for path, place in ((run_folder(root, notebook, given), root / notebook), (executed_copy(notebook, given, root), tmp_path / "runs")):
        assert path.resolve().parent == place and not set("\0\n") & set(path.name) and len(path.name.encode()) < 200


@pytest.mark.parametrize("name", ["../quickstart", "/etc/passwd", "quickstart.ipynb", "", "."])
def test_only_notebooks_of_the_list_are_run(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert shell.main(["run", name]) == 1 and "no notebook is called" in capsys.readouterr().err


def test_a_link_in_the_place_of_a_product_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "sums.csv").symlink_to(tmp_path / "precious")
    write_whole(tmp_path / "sums.csv", lambda part: part.write_text("sums"))
    assert (tmp_path / "precious").read_text() == "precious" and (tmp_path / "sums.csv").read_text() == "sums"
    assert not (tmp_path / "sums.csv").is_symlink()


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{half", '{"files": 3}', '{"files": ["../../secret.csv"]}', '{"files": ["/secret.png"]}'])
def test_a_record_of_others_shows_no_file_outside_its_folder(text, tmp_path):
    folder = tmp_path / "results" / "theory" / "mini-shapes"
    folder.mkdir(parents=True)
    (folder / "theory.json").write_text(text)
    with pytest.raises(ValueError, match="theory.json' (is not a record of a run|names '.*secret.*', a file outside its folder).*; run its notebook again.$"):
        report.collect(tmp_path / "results")
    assert isinstance(record_in(folder / "theory.json"), dict)
    if not isinstance(_json(text), dict):
        with pytest.raises(ValueError, match="theory.json' is not a record of a run"):
            run_folder(tmp_path / "results", "theory", {"n": 24})


def _json(text: str):
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
