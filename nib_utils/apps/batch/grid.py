"""Notebooks, several at a time: which may begin now, and what became of each."""
from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

from ...common.engines import engine
from ...common.packages import first_line
from ...common.progress import progress
from .books import BOOKS, EVERY


@dataclass(frozen=True)
class Job:
    """A notebook with its parameters, and the file that what it says goes to; None: the terminal.

    force: run it though its results are there.
    """

    notebook: str
    parameters: dict
    log: Path | None = None
    force: bool = False

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
    """What became of a job: the seconds that it took, why it failed (None if it did not), and what else to say."""

    job: Job
    seconds: float
    error: str | None = None
    said: str = "done"


def run_jobs(jobs: list[Job], work: Callable[[Job], str | None], workers: int = 1, by: str = "processes",
             retries: int = 0, max_failures: int | None = None, folder: str | Path = "runs/submitit") -> list[Outcome]:
    """Let `work` do every job, `workers` at a time, by an engine of `common.engines`; one that fails stops no other.

    A job begins when all before it in the list that it follows have ended; one that is to be alone has the workers
    for itself. retries: how often one that fails is tried again; max_failures: with so many failed no other begins.

    >>> run_jobs([Job("theory", {"results": "results"}), Job("report", {"results": "results"})], print)
    """
    waiting, running, done, tries = list(jobs), {}, [], {}
    start, here = time.perf_counter(), workers == 1 and by == "processes"
    with progress(len(jobs), "notebooks", "notebook", show=not here) as bar, engine(by, workers, folder) as submit:
        while running or waiting:
            for job in may_begin(waiting, list(running.values()), workers):
                waiting.remove(job)
                running[submit(outcome, job, work)] = job
            bar.set_postfix_str(", ".join(job.notebook for job in running.values()))
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                one = ended(future, job := running.pop(future))
                if one.error and tries.setdefault(id(job), 0) < retries:
                    tries[id(job)] += 1
                    waiting.insert(0, job)
                    continue
                done.append(one)
                bar.update()
                left = (time.perf_counter() - start) / len(done) * (len(jobs) - len(done))
                if here and len(jobs) > 1:
                    print(f"== {len(done)} of {len(jobs)} notebooks, some {left / 60:.0f} min left", flush=True)
            if max_failures and sum(one.error is not None for one in done) >= max_failures:
                done += [Outcome(job, 0.0, said="not begun") for job in waiting]
                waiting.clear()
    return done


def outcome(job: Job, work: Callable[[Job], str | None]) -> Outcome:
    start = time.perf_counter()
    try:
        said = work(job)
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        return Outcome(job, time.perf_counter() - start, str(error))
    return Outcome(job, time.perf_counter() - start, said=said or "done")


def ended(future: Future, job: Job) -> Outcome:
    """What a worker says of its job, or that it is gone."""
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(job, 0.0, f"notebook {job.notebook}: its process ended ({first_line(error)})")


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
