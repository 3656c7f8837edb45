"""The same work by processes of this machine, by Ray, by Dask, or by Slurm: something to submit it to, and futures."""
from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .packages import first_line, need

Submit = Callable[..., Future]  # a function of a module and its arguments, all of which can be pickled
PACKAGES = {"processes": ("joblib", "'nib-utils[notebooks]'"), "ray": ("ray", "'nib-utils[ray]'"),
            "dask": ("distributed", "'nib-utils[dask]'"), "submitit": ("submitit", "'nib-utils[submitit]'")}


def check_engine(name: str, workers: int) -> None:
    """Refuse an engine that there is not, one whose package is not here, and a number of workers that is none."""
    if name not in PACKAGES:
        raise ValueError(f"the engine is {name!r}; there are {', '.join(PACKAGES)}.")
    if not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is {workers!r}; it takes a whole number from 1.")
    if name != "processes" or workers > 1:
        need(*PACKAGES[name])


@contextmanager
def engine(name: str = "processes", workers: int = 1, folder: str | Path = "runs/submitit") -> Iterator[Submit]:
    """What takes work, `workers` at a time, each with its share of the cores; left early, all of it is ended.

    "processes": of this machine, which end with this one; with one worker this very process. "ray": the cluster at
    RAY_ADDRESS; "dask": the scheduler at DASK_SCHEDULER_ADDRESS; without these, workers on this machine. "submitit": a
    Slurm job each (what sbatch reads from SBATCH_* holds), or processes where there is no Slurm; its files go to
    `folder`, which all machines see. Raises ValueError, ImportError.

    >>> with engine("ray", 2) as submit:
    ...     submit(pow, 2, 10).result()
    """
    check_engine(name, workers)
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    share = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if name == "processes" and workers == 1:
        yield here
    elif name == "submitit":
        with submitit_jobs(workers, Path(folder)) as submit:
            yield submit
    else:
        with {"processes": processes, "ray": ray_tasks, "dask": dask_tasks}[name](workers, share) as submit:
            yield submit


def here(function: Callable, *arguments) -> Future:
    """The work done at once; an interrupt is not kept for later."""
    future = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:
        future.set_exception(error)
    return future


@contextmanager
def processes(workers: int, share: dict) -> Iterator[Submit]:
    loky, pools, idle = need(*PACKAGES["processes"]).externals.loky, [], []  # a pool of one each, to die alone

    def submit(function: Callable, *arguments) -> Future:
        if not idle:
            idle.append(loky.ProcessPoolExecutor(1, env=share, initializer=end_with, initargs=(os.getpid(),)))
            pools.append(idle[-1])
        pool = idle.pop()
        future = pool.submit(function, *arguments)
        future.add_done_callback(lambda done: None if done.exception() else idle.append(pool))
        return future

    try:
        yield submit
    finally:
        for pool in pools:
            pool.shutdown(wait=False, kill_workers=True)


def end_with(parent: int) -> None:
    """Have this process end when its parent is gone, however that ended; a notebook's kernel does the same."""
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def ray_tasks(workers: int, share: dict) -> Iterator[Submit]:
    ray, threads = need(*PACKAGES["ray"]), int(share["OMP_NUM_THREADS"])
    own = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers * threads, "include_dashboard": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **own)
    except Exception as error:  # it gives its own processes half a minute
        ray.shutdown()
        raise RuntimeError(f"Ray does not start ({first_line(error)}); see its logs in {tempfile.gettempdir()}/ray, or "
                           "take another engine.") from None
    try:
        task = ray.remote(num_cpus=threads, max_retries=0)(call)  # of so many CPUs Ray makes OMP_NUM_THREADS
        yield lambda function, *arguments: task.remote(function, *arguments).future()
    finally:
        ray.shutdown()


def call(function: Callable, *arguments):
    return function(*arguments)


@contextmanager
def dask_tasks(workers: int, share: dict) -> Iterator[Submit]:
    distributed = need(*PACKAGES["dask"])
    from dask import config

    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    settings = {"distributed.nanny.pre-spawn-environ": share, "distributed.scheduler.allowed-failures": 0}
    with config.set(settings), distributed.Client(address) if address else distributed.Client(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0) as client:
        yield client.get_executor(pure=False).submit


@contextmanager
def submitit_jobs(workers: int, folder: Path) -> Iterator[Submit]:
    executor = need(*PACKAGES["submitit"]).AutoExecutor(folder=str(folder.resolve()))
    executor.update_parameters(timeout_min=7 * 24 * 60, cpus_per_task=max(1, (os.cpu_count() or 1) // workers))
    jobs = []

    def wait_for(function: Callable, *arguments):
        jobs.append(job := executor.submit(function, *arguments))
        return job.result()

    pool = ThreadPoolExecutor(workers)
    try:
        yield lambda function, *arguments: pool.submit(wait_for, function, *arguments)
    finally:
        for job in jobs:
            if not job.done():
                job.cancel()
        pool.shutdown(wait=False, cancel_futures=True)
