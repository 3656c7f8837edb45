"""A file is written whole or not at all: full disks, limits, many writers at one name."""
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from nib_utils.common.files import check_writable, write_whole
from nib_utils.loading import mini

LONG = 300_000  # bytes; more than the small disk holds


def refused(file, write) -> str:
    with pytest.raises(OSError) as caught:
        write_whole(file, write)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_full_disk_leaves_the_old_file_whole_and_is_named(small_disk):
    file = small_disk / "table.csv"
    write_whole(file, lambda part: part.write_text("old"))
    for write in (lambda part: part.write_bytes(bytes(LONG)), lambda part: part.write_text("é" * LONG)):
        said = refused(file, write)
        assert said == f"'{file}' cannot be written (No space left on device); what was there before is left as it was."
    with pytest.raises(OSError, match="table.csv' cannot be written .No space left"):
        mini.save({"weight": torch.zeros(LONG)}, [0], file)
    assert file.read_text() == "old" and os.listdir(small_disk) == ["table.csv"]


def test_a_limit_on_files_leaves_the_old_one_whole(tmp_path):
    """The same where no disk can be mounted: a process that may write no file above 10 kB."""
    (tmp_path / "a.csv").write_text("old")
    code = ("import sys; from nib_utils.common.files import write_whole\n"
            f"write_whole(sys.argv[1], lambda part: part.write_bytes(bytes({LONG})))")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.csv")], preexec_fn=limit, capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert "a.csv' cannot be written (File too large)" in done.stderr.splitlines()[-1]
    assert (tmp_path / "a.csv").read_text() == "old" and os.listdir(tmp_path) == ["a.csv"]


def test_an_error_while_filling_leaves_the_old_file_and_no_part(tmp_path):
    file = tmp_path / "a.json"
    file.write_text("old")

    def fails(part):
        part.write_text("ha")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(file, fails)
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["a.json"]
    assert "no folder/a.json' cannot be written (No such file or directory)" in refused(
        tmp_path / "no folder" / "a.json", lambda part: part.write_text("new"))


def test_many_writers_at_one_name_leave_one_whole_file(tmp_path):
    file = tmp_path / f"{'ш' * 100}.csv"  # as long as a name may be, so the part's is cut
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write_whole(file, lambda part: part.write_text(str(i) * 50_000)), range(8)))
    text = file.read_text()
    assert len(text) == 50_000 and len(set(text)) == 1 and len(os.listdir(tmp_path)) == 1
    (tmp_path / "plain").write_text("x")
    assert file.stat().st_mode == (tmp_path / "plain").stat().st_mode  # others may read it as any file


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, small_disk):
    check_writable(tmp_path / "new" / "folder", "the folder of results")
    assert os.listdir(tmp_path / "new" / "folder") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="^the folder of results, '.*file/x', cannot be written to .Not a directory"):
        check_writable(tmp_path / "file" / "x", "the folder of results")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ValueError, match="disk', cannot be written to .Read-only file system"):
        check_writable(small_disk, "the folder of results")
