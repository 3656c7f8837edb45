"""Notebooks, several at a time: which may begin now, and what became of each."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

from ...common.packages import need
from ...common.progress import progress
from .books import BOOKS, EVERY


@dataclass(frozen=True)
class Job:
    """A notebook with its parameters, and the file that what it says goes to; None: the terminal."""

    notebook: str
    parameters: dict
    log: Path | None = None

    def follows(self, other: Job) -> bool:
        """Whether it reads what the other leaves behind."""
        after = BOOKS[self.notebook].after if self.notebook in BOOKS else ()
        world = lambda job: [job.parameters.get(name) for name in ("model", "dataset")]
        return EVERY in after or other.notebook in after and world(self) == world(other)

    @property
    def alone(self) -> bool:
        return self.notebook in BOOKS and BOOKS[self.notebook].alone


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the seconds that it took, and why it failed, None if it did not."""

    job: Job
    seconds: float
    error: str | None = None


def run_jobs(jobs: list[Job], work: Callable[[Job], object], workers: int = 1) -> list[Outcome]:
    """Let `work` do every job, `workers` at a time; one that fails stops no other.

    A job begins when all before it in the list that it follows have ended; one that is to be alone has the machine
    for itself. Two or more workers are processes (loky's), which share the cores between them.

    >>> run_jobs([Job("theory", {"results": "results"}), Job("report", {"results": "results"})], print)
    """
    if workers == 1:
        return [outcome(job, work) for job in jobs]
    loky = need("joblib", "'nib-utils[notebooks]'").externals.loky
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    pool = loky.get_reusable_executor(workers, env={"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads})
    waiting, running, done = list(jobs), {}, []
    try:
        with progress(len(jobs), "notebooks", "notebook") as bar:
            while waiting or running:
                for job in may_begin(waiting, list(running.values()), workers):
                    waiting.remove(job)
                    running[pool.submit(outcome, job, work)] = job
                bar.set_postfix_str(", ".join(job.notebook for job in running.values()))
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done.append(ended(future, running.pop(future)))
                    bar.update()
    except BaseException:
        pool.shutdown(wait=False, kill_workers=True)
        raise
    return done


def outcome(job: Job, work: Callable[[Job], object]) -> Outcome:
    start = time.perf_counter()
    try:
        work(job)
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        return Outcome(job, time.perf_counter() - start, str(error))
    return Outcome(job, time.perf_counter() - start)


def ended(future: Future, job: Job) -> Outcome:
    """What a worker says of its job, or that it is gone."""
    error = future.exception()
    return future.result() if error is None else Outcome(job, 0.0, f"its process ended ({type(error).__name__})")


def may_begin(waiting: list[Job], running: list[Job], workers: int) -> list[Job]:
    """Those of the waiting, in their order, that may begin beside the running."""
    chosen = []
    for i, job in enumerate(waiting):
        now = running + chosen
        if len(now) >= workers or any(other.alone for other in now):
            break
        held = any(job.follows(other) for other in (*running, *waiting[:i]))
        if not held and not (job.alone and now):
            chosen.append(job)
    return chosen
