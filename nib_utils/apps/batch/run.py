"""`run`: notebooks executed headlessly by papermill, their products under `results/`."""
from __future__ import annotations

import argparse
import logging
import os
import time
from pathlib import Path

from ...common.files import check_writable, data_file
from ...common.packages import need
from ...common.progress import BATCH
from .books import JOBS, NOTEBOOKS, defaults, hard_defaults
from .grid import Job, Outcome, run_jobs
from .names import run_folder, run_name
from .request import check_request, check_sources

WORDS = {"": False, "0": False, "no": False, "false": False, "off": False,
         "1": True, "yes": True, "true": True, "on": True}  # what FAST may be


def run_notebooks(given: argparse.Namespace) -> None:
    """`run`: the notebooks, one after another, when what is asked makes sense for all of them."""
    yaml = need("yaml", "'nib-utils[notebooks]'")
    if given.workers < 1:
        raise ValueError(f"--workers is {given.workers}; it takes a whole number from 1.")
    named = {k: v for k in ("model", "dataset", "root", "n", "results") if (v := getattr(given, k)) is not None}
    for name, value in given.parameter:
        if not value.strip():
            raise ValueError(f"the VALUE of -p {name} is empty; write null for none.")
    parameters = named | {name: yaml.safe_load(value) for name, value in given.parameter}
    if fast_asked():
        parameters.setdefault("fast", True)
    parameters.setdefault("results", "results-fast" if parameters.get("fast") is True else "results")
    jobs = [(job, own | parameters) for name in given.notebooks for job, own in every_job(name, parameters)]
    for name, wanted in jobs:
        check_request(name, wanted)
    root = str(Path(parameters["results"]).resolve())
    for name, wanted in jobs:
        run_folder(root, name, asked(name, wanted))
    check_sources(parameters)
    check_writable(root, "the folder of results")
    finish(run_jobs([job_of(name, wanted | {"results": root}, given.workers) for name, wanted in jobs], work,
                    given.workers))


def job_of(name: str, parameters: dict, workers: int) -> Job:
    """A job; of several at a time each has a log beside its executed copy."""
    log = executed_copy(name, parameters).with_suffix(".log") if workers > 1 else None
    return Job(name, parameters, log)


def work(job: Job) -> None:
    """Do a job, in this process or in a worker's, whose words go to the job's log."""
    if job.log is not None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("w") as log:
            for stream in (1, 2):  # of this process and of its kernel
                os.dup2(log.fileno(), stream)
    execute(job.notebook, job.parameters)


def finish(done: list[Outcome]) -> None:
    """How it went, a line a job where there are several; raises RuntimeError when one failed."""
    failed = [one for one in done if one.error]
    if len(done) > 1:
        for one in done:
            label = f"{one.job.notebook}, {run_name(one.job.notebook, asked(one.job.notebook, one.job.parameters))}"
            print(f"{label:50} {one.seconds:7.0f} s  {'failed: ' + one.error if one.error else 'done'}", flush=True)
    if failed:
        raise RuntimeError(failed[-1].error if len(done) == 1 else f"{len(failed)} of {len(done)} notebooks failed.")


def every_job(name: str, parameters: dict) -> list[tuple[str, dict]]:
    """A name's notebooks, each with what sets it apart; `all` is of both worlds, or of the one that is asked for."""
    if name != "all":
        return [(name, {})]
    second = not {"model", "dataset"} & set(parameters)
    if second and not data_file("mini-hard.safetensors").is_file():
        print("The second world is left out: its model is not there; make it by `make train MODEL=mini-hard`.")
        second = False
    return [job for job in JOBS if second or not job[1]]


def fast_asked() -> bool:
    """Whether the environment variable FAST asks for small sizes; raises ValueError for a word that says neither."""
    word = os.environ.get("FAST", "")
    if word.lower() not in WORDS:
        raise ValueError(f"FAST is {word!r}; it takes {', '.join(filter(None, WORDS))}, or nothing.")
    return WORDS[word.lower()]


def asked(name: str, parameters: dict) -> dict:
    """All parameters of a notebook but its folder of results: those given, and the defaults of the others."""
    known = defaults(name) | hard_defaults(name, parameters) | parameters
    return {key: value for key, value in known.items() if key != "results"}


def executed_copy(name: str, parameters: dict) -> Path:
    """Where the executed notebook goes: `runs/`, beside the folder of results."""
    folder = Path(parameters["results"]).resolve().parent / "runs"
    return folder / f"{name}-{run_name(name, asked(name, parameters))}.ipynb"


def execute(name: str, parameters: dict) -> Path:
    """Run one notebook with parameters, `results` (a folder) among them; returns the executed copy.

    Raises RuntimeError when a cell fails (the executed copy is kept), and what `check_request` raises.
    """
    papermill = need("papermill", "'nib-utils[notebooks]'")
    check_request(name, parameters)
    parameters = hard_defaults(name, parameters) | parameters
    executed = executed_copy(name, parameters)
    check_writable(executed.parent, "the folder of executed copies")
    os.environ[BATCH] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.INFO)
    start = time.perf_counter()
    print(f"== {name}", flush=True)
    try:
        papermill.execute_notebook(str(NOTEBOOKS / f"{name}.ipynb"), str(executed), parameters=parameters,
                                   kernel_name="python3", cwd=os.getcwd(), log_output=True, progress_bar=False,
                                   shutdown_kernel="immediate")  # asked to go in mid-cell, it would leave a traceback
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(f"notebook {name}, cell {error.exec_count}: {error.ename}: {error.evalue} "
                           f"(the whole trace is in {executed})") from None
    except OSError as error:
        raise OSError(f"the executed copy '{executed}' cannot be written ({error.strerror or error}).") from None
    print(f"== {name}: done in {time.perf_counter() - start:.0f} s; executed copy {executed}", flush=True)
    return executed
