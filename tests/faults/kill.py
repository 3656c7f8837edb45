"""A grid that is killed at random moments: `python tests/faults/kill.py --times 20`.

Each time the driver, a worker or a kernel gets kill -9; at the end one more run completes the grid, and everything is
there once, whole, and equal to an undisturbed run to the byte.
"""
from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from faults.sandbox import Sandbox  # noqa: E402

VICTIMS = ("driver", "worker", "kernel")


def kill(box: Sandbox, driver, victim: str, rng: random.Random) -> bool:
    """Whether there was such a process to be killed."""
    kernels = [p for p in box.alive() if any("ipykernel" in word for word in p.cmdline())]
    workers = [p for p in box.alive() if any("loky" in word for word in p.cmdline()) and "tracker" not in " ".join(p.cmdline())]
    found = {"driver": [psutil.Process(driver.pid)], "worker": workers, "kernel": kernels}[victim]
    if not found:
        return False
    rng.choice(found).kill()
    return True


def disturbed(box: Sandbox, grid: list[str], times: int, rng: random.Random) -> dict[str, int]:
    """Run the grid, again and again, until so many processes of it were killed; how many of each kind were."""
    killed = dict.fromkeys(VICTIMS, 0)
    driver = box.start(*grid)
    while sum(killed.values()) < times:
        time.sleep(rng.uniform(0.3, 4))
        if driver.poll() is not None:
            driver.communicate()
            assert box.quiet(), [p.cmdline() for p in box.alive()]  # a killed driver leaves nothing behind
            driver = box.start(*grid, "--force")  # there is always something to be disturbed
            continue
        victim = VICTIMS[sum(killed.values()) % 3]
        try:
            killed[victim] += kill(box, driver, victim, rng)
        except psutil.NoSuchProcess:  # it had just ended
            continue
    driver.kill()
    driver.communicate()
    return killed


def check(box: Sandbox, grid: list[str], jobs: int) -> str:
    """Whether one resume completes what was disturbed; returns what it said."""
    assert box.quiet(), [p.cmdline() for p in box.alive()]
    resumed = box.run(*grid)
    assert resumed.returncode == 0, resumed.stdout
    assert box.quiet(), [p.cmdline() for p in box.alive()]
    calm = box.folder / "calm" / "results"
    assert box.run(*grid, results=calm).returncode == 0
    found, expected = box.products(), box.products(calm)
    assert found == expected and len(found) == 2 * jobs, sorted(set(found) ^ set(expected))
    for record in box.results.rglob("count.json"):
        files = json.loads(record.read_text())["files"]
        assert sorted(file.name for file in record.parent.iterdir()) == sorted([*files, "count.json"])
    copies = [json.loads(copy.read_text()) for copy in (box.folder / "runs").glob("*.ipynb")]
    assert len(copies) == jobs and not list(box.folder.rglob("*.part*"))
    assert all("as before" in line for line in box.run(*grid, "--dry-run").stdout.splitlines())
    return resumed.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="how many processes to kill (default: 20)")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill") as folder:
        box = Sandbox(Path(folder))
        grid = ["--seed", ",".join(map(str, range(given.jobs))), "--workers", "2"]
        killed = disturbed(box, grid, given.times, random.Random(given.seed))
        print("killed:", ", ".join(f"{n} {name}s" for name, n in killed.items()), flush=True)
        print(check(box, grid, given.jobs))
        print("one resume completed the grid; everything is there once, equal to an undisturbed run.")


if __name__ == "__main__":
    main()
