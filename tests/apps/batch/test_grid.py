"""Notebooks, several at a time: in an order that holds, each once, and one that fails stops no other."""
import os

import pytest

from nib_utils.apps.batch.books import HARD, JOBS
from nib_utils.apps.batch.grid import Job, may_begin, run_jobs


def names(jobs):
    return [job.notebook for job in jobs]


def test_a_notebook_begins_when_what_it_reads_is_there():
    main, curves, reference, other = (Job(name, {}) for name in ("main_table", "faithfulness", "reference", "theory"))
    hard = Job("faithfulness", HARD)
    assert names(may_begin([main, curves, reference, other], [], 2)) == ["main_table", "theory"]
    assert names(may_begin([curves, reference, other], [main], 3)) == ["theory"]
    assert may_begin([hard], [main], 2) == [hard]  # of another world
    assert may_begin([reference], [], 2) == [reference]  # where nothing else was asked for


def test_what_measures_time_has_the_machine_for_itself():
    speed, theory, report = (Job(name, {}) for name in ("speed", "theory", "report"))
    assert names(may_begin([theory, speed, report], [], 3)) == ["theory"] and not may_begin([speed], [theory], 3)
    assert names(may_begin([speed, theory], [], 3)) == ["speed"] and not may_begin([theory], [speed], 3)
    assert not may_begin([report], [theory], 3) and may_begin([report], [], 3)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_all_of_both_worlds_comes_to_an_end_in_order(workers):
    waiting, running, ended = [Job(name, own) for name, own in JOBS], [], []
    while waiting or running:
        begun = may_begin(waiting, running, workers)
        waiting = [job for job in waiting if job not in begun]
        running += begun
        assert 0 < len(running) <= workers
        ended.append(running.pop())  # the last one in is the first one out: any order may happen
    assert len(ended) == len(JOBS) and ended[-1].notebook == "report"
    for i, job in enumerate(ended):
        assert not any(job.follows(later) for later in ended[i + 1 :])


@pytest.mark.parametrize("workers", [1, 2])
def test_one_that_fails_stops_no_other(workers, tmp_path):
    def work(job):
        if job.notebook == "theory":
            raise ValueError("no such layer")
        (tmp_path / job.notebook).write_text(os.environ.get("OMP_NUM_THREADS", ""))

    jobs = [Job(name, {}) for name in ("theory", "layers", "shortcut", "report")]
    done = {one.job.notebook: one for one in run_jobs(jobs, work, workers)}
    assert {name: one.error for name, one in done.items()} == dict.fromkeys(names(jobs)) | {"theory": "no such layer"}
    assert {file.name for file in tmp_path.iterdir()} == {"layers", "shortcut", "report"}
    if workers > 1:
        assert (tmp_path / "layers").read_text() == str(max(1, os.cpu_count() // workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_is_tried_again_and_then_no_other_begins(workers, tmp_path):
    def work(job):
        tried = tmp_path / f"{job.parameters['seed']}-{len(list(tmp_path.iterdir()))}"
        tried.touch()
        if job.parameters["seed"] == 0 and len(list(tmp_path.glob("0-*"))) < 2 or job.parameters["seed"] == 1:
            raise RuntimeError("unlucky")
        return "as before" if job.parameters["seed"] == 2 else None

    jobs = [Job("theory", {"seed": seed}) for seed in range(4)]
    done = {one.job.parameters["seed"]: one for one in run_jobs(jobs, work, workers, retries=2)}
    assert {seed: (one.error, one.said) for seed, one in done.items()} == {
        0: (None, "done"), 1: ("unlucky", "done"), 2: (None, "as before"), 3: (None, "done")}
    assert len(list(tmp_path.glob("0-*"))) == 2 and len(list(tmp_path.glob("1-*"))) == 3
    for file in tmp_path.iterdir():
        file.unlink()
    done = run_jobs(jobs[1:], work, 1, max_failures=1)
    assert [(one.job.parameters["seed"], one.error or one.said) for one in done] == [(1, "unlucky"), (2, "not begun"), (3, "not begun")]


def test_a_worker_that_is_killed_fails_its_own_job_alone():
    def work(job):
        if job.parameters["seed"] == 1:
            os.kill(os.getpid(), 9)

    jobs = [Job("theory", {"seed": seed}) for seed in range(3)]
    errors = {one.job.parameters["seed"]: one.error for one in run_jobs(jobs, work, 2)}
    assert errors[0] is errors[2] is None and errors[1].startswith("notebook theory: its process ended (TerminatedWorkerError")
