"""What may befall a grid; afterwards one more run completes it, and every result is there once and whole."""
import json
import random
import subprocess
import time

import pytest

from faults import kill
from faults.sandbox import Sandbox
from nib_utils.common.files import locked


@pytest.fixture
def box(tmp_path):
    made = Sandbox(tmp_path / "box")
    yield made
    left = made.alive()
    for process in left:
        process.kill()
    assert not left


def record(box):
    return json.loads(next(box.results.rglob("count.json")).read_text())


def test_a_killed_driver_worker_and_kernel(box):
    """A sample; `python tests/faults/kill.py --times 20` is the whole."""
    grid = ["--seed", "0,1", "--workers", "2"]
    assert kill.disturbed(box, grid, 3, random.Random(1)) == {"driver": 1, "worker": 1, "kernel": 1}
    kill.check(box, grid, 2)


def test_a_killed_kernel_fails_its_job_and_the_copy_is_kept(box):
    driver, until = box.start("-p", "seconds", "4"), time.monotonic() + 300
    while not list(box.results.rglob("draws.csv")) and time.monotonic() < until:  # in the midst of a cell
        time.sleep(0.1)
    assert kill.kill(box, driver, "kernel", random.Random(0))
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 1 and "nib_utils: notebook count: its kernel ended (DeadKernelError" in said, said
    copy, = (box.folder / "runs").glob("count-*.ipynb")
    assert json.loads(copy.read_text())["cells"] and f"what it did until then is in {copy}." in said


def test_what_a_killed_run_left_half_written_goes_with_the_next_one(box):
    grid = ["--seed", "0,1"]
    assert box.run(*grid).returncode == 0
    copies = sorted((box.folder / "runs").glob("count-*.ipynb"))
    folder = box.results / "count" / copies[1].stem.removeprefix("count-")
    left = [copies[0].with_name(f".{copies[0].stem}.part.ipynb"), folder / ".draws.0123.part.csv"]
    for file in left:
        file.write_text("half")
    with locked(copies[1].with_suffix(".lock")):  # as if another run were at the second
        assert all("as before" in line for line in box.run(*grid).stdout.splitlines())
    assert [file.exists() for file in left] == [False, True]
    assert box.run(*grid).returncode == 0 and not left[1].exists()


def test_a_checkpoint_that_changes_while_it_is_used(box):
    driver, until = box.start("-p", "seconds", "1"), time.monotonic() + 300
    while not list(box.results.rglob("draws.csv")) and time.monotonic() < until:
        time.sleep(0.1)
    box.weights.write_bytes(b"of another epoch")
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 1 and "the model changed on disk while it ran, so nobody knows what its numbers are of" in said
    assert not list(box.results.rglob("count.json"))
    assert box.run("-p", "seconds", "1").returncode == 0 and record(box)["files"] == ["draws.csv", "sum.csv"]


def test_two_drivers_on_one_folder_do_each_job_once(box):
    grid = ["--seed", "0,1"]
    drivers = [box.start(*grid), box.start(*grid)]
    said = [driver.communicate(timeout=600)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    assert sum(one.count("== count: done in") for one in said) == 2 and "".join(said).count("as before") == 2, said
    assert len(box.products()) == 4 and not list(box.folder.rglob("*.part*"))


def test_a_full_and_a_read_only_disk(box, small_disk):
    full = box.run(results=small_disk)
    assert full.returncode == 1 and "draws.csv' cannot be written (No space left on device)" in full.stdout, full.stdout
    assert not box.products(small_disk)
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert box.run(results=small_disk).returncode == 0
    made = box.products(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    shut = box.run("--force", results=small_disk)
    assert shut.returncode == 1 and shut.stdout.strip().splitlines() == [
        f"nib_utils: the folder of results, '{small_disk}', cannot be written to (Read-only file system)."]
    assert len(made) == 2 and box.products(small_disk) == made
