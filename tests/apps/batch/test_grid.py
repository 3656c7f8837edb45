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
