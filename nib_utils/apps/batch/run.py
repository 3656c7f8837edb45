"""`run`: a grid of notebooks executed headlessly by papermill, their products under `results/`."""
from __future__ import annotations

import argparse
import json
import logging
import os
import time
from pathlib import Path
from textwrap import shorten

from ...common.engines import check_engine
from ...common.files import HERE, check_writable, data_file, locked
from ...common.packages import first_line, need
from ...common.progress import BATCH
from .axes import points, read_grid, read_yaml
from .books import HARD, JOBS, NOTEBOOKS, hard_defaults
from .grid import Job, Outcome, run_jobs
from .keys import made_in, reason
from .names import SHOWN, asked, executed_copy, run_folder, run_name, runs_of
from .request import SOURCES, check_request, check_sources

FLAGS = ("model", "dataset", "method", "seed", "root", "n", "results")  # that are parameters
WORDS = {"": False, "0": False, "no": False, "false": False, "off": False,
         "1": True, "yes": True, "true": True, "on": True}  # what FAST may be


def run_notebooks(given: argparse.Namespace) -> None:
    """`run`: the jobs of a grid whose results are not there, when what is asked makes sense for all of them."""
    for name, value, least in (("--workers", given.workers, 1), ("--retries", given.retries, 0),
                               ("--max-failures", given.max_failures, 1)):
        if value is not None and value < least:
            raise ValueError(f"{name} is {value}; it takes a whole number from {least}.")
    check_engine(given.engine, given.workers)
    jobs = checked(asked_for(given), given)
    root = jobs[0].parameters["results"]
    told = why(jobs)
    if given.dry_run:
        for job, one in zip(jobs, told):
            print(f"{label(job, jobs):50}  {'as before' if one is None else f'would run ({one})'}")
        return
    check_writable(root, "the folder of results")
    made_in(root, begin=True)
    for job in (job for job, one in zip(jobs, told) if one is None):
        with locked(copy_of(job).with_suffix(".lock"), wait=False) as alone:
            if alone:
                tidy(job)
    done = run_jobs([job for job, one in zip(jobs, told) if one], work, given.workers, given.engine, given.retries,
                    given.max_failures, runs_of(root) / "submitit")
    skipped = [Outcome(job, 0.0, said="as before") for job, one in zip(jobs, told) if one is None]
    finish(sorted(done + skipped, key=lambda one: jobs.index(one.job)))


def asked_for(given: argparse.Namespace) -> list[tuple[str, dict]]:
    """The grid of the command line, of its file, or of both (a flag takes the place of a line), as parameters."""
    grid = read_grid(given.grid) if given.grid else {}
    flags = {"notebooks": given.notebooks, "models": listed(given.model), "datasets": listed(given.dataset),
             "methods": listed(given.method), "seeds": [read_yaml(seed, "a seed") for seed in listed(given.seed)]}
    grid |= {name: items for name, items in flags.items() if items}
    named = {name: value for name in ("root", "n", "results") if (value := getattr(given, name)) is not None}
    for name, value in given.parameter:
        if not value.strip():
            raise ValueError(f"the VALUE of -p {name} is empty; write null for none.")
        flag = "method" if name == "methods" else name
        if flag in FLAGS and getattr(given, flag):
            raise ValueError(f"{name} is given by --{flag} and by -p; give it once.")
    common = ({"results": grid["results"]} if "results" in grid else {}) | grid.get("parameters", {}) | named
    common |= {name: read_yaml(value, "a VALUE") for name, value in given.parameter}
    if fast_asked():
        common.setdefault("fast", True)
    common.setdefault("results", "results-fast" if common.get("fast") is True else "results")
    return [(name, common | own) for name, own in points(grid)]


def listed(values: list[str]) -> list[str]:
    """Repeated flags as one list, each split at its commas unless it is a path."""
    return [part for value in values for part in ([value] if os.path.exists(value) else value.split(","))]


def checked(wanted: list[tuple[str, dict]], given: argparse.Namespace) -> list[Job]:
    """The jobs, each once, when all of them make sense and all that they read is there."""
    wanted = [(job, own | parameters) for name, parameters in wanted for job, own in every_job(name, parameters)]
    for name, parameters in wanted:
        check_request(name, parameters)
    jobs = {}
    for name, parameters in wanted:
        parameters = parameters | {"results": str(Path(parameters["results"]).resolve())}
        folder = run_folder(parameters["results"], name, asked(name, parameters))
        here = given.workers == 1 and given.engine == "processes"
        log = None if here else copy_of(Job(name, parameters)).with_suffix(".log")
        jobs.setdefault(folder, Job(name, parameters, log, given.force))
    sources = {json.dumps({name: job.parameters[name] for name in SOURCES if name in job.parameters}, sort_keys=True)
               for job in jobs.values()}
    for source in sorted(sources):  # each once: a model is loaded for it
        check_sources(json.loads(source))
    return list(jobs.values())


def why(jobs: list[Job]) -> list[str | None]:
    """Why each job is to be run, None where it is not: its results are there, and so is what it reads."""
    told = []
    for i, job in enumerate(jobs):
        before = [other.notebook for other, one in zip(jobs[:i], told) if one and job.follows(other)]
        found = reason(job.notebook, asked(job.notebook, job.parameters), job.parameters["results"])
        told.append(found or ("forced" if job.force else f"reads {before[0]}" if before else None))
    return told


def label(job: Job, jobs: list[Job]) -> str:
    """A job in words: its notebook, the folder of its results and, where a digest there tells it from others, how."""
    given, *others = [asked(job.notebook, one.parameters) for one in (job, *jobs) if one.notebook == job.notebook]
    named = {name: given.get(name) for name in SHOWN}
    others = [other for other in others if named == {name: other.get(name) for name in SHOWN}]
    apart = [f"{name} {shorten(str(value), 60)}" for name, value in given.items()
             if any(other.get(name) != value for other in others)]
    return f"{job.notebook}, {run_name(job.notebook, given)}" + (f" ({', '.join(apart)})" if apart else "")


def work(job: Job) -> str:
    """Do a job, in this process or in a worker's, whose words go to the job's log."""
    if job.log is not None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("w") as log:
            for stream in (1, 2):  # of this process and of its kernel
                os.dup2(log.fileno(), stream)
    given, root = asked(job.notebook, job.parameters), job.parameters["results"]
    lock = copy_of(job).with_suffix(".lock")
    with locked(lock, wait=False) as alone:
        if not alone:
            print(f"== {job.notebook}: another run is at work on it; this one waits", flush=True)
    with locked(lock):
        tidy(job)
        if not job.force and reason(job.notebook, given, root) is None:
            return "as before"  # made by another run meanwhile
        execute(job.notebook, job.parameters)
    return "done"


def copy_of(job: Job) -> Path:
    return executed_copy(job.notebook, asked(job.notebook, job.parameters), job.parameters["results"])


def half_written(copy: Path) -> Path:
    """What papermill fills, which does not look like a copy."""
    return copy.with_name(f".{copy.stem}.part.ipynb")


def tidy(job: Job) -> None:
    """Remove what a run that was killed left half-written of a job; for who holds its lock."""
    folder = run_folder(job.parameters["results"], job.notebook, asked(job.notebook, job.parameters))
    for part in (half_written(copy_of(job)), *folder.glob(".*.part*")):
        part.unlink(missing_ok=True)


def finish(done: list[Outcome]) -> None:
    """How it went, a line a job where there are several; raises RuntimeError when one failed."""
    failed = [one for one in done if one.error]
    if len(done) > 1 or done[0].said != "done":
        jobs = [one.job for one in done]
        for one in done:
            said = f"failed: {one.error}" if one.error else one.said
            print(f"{label(one.job, jobs):50}  {one.seconds:7.0f} s  {said}", flush=True)
    if failed:
        left = sum(one.said == "not begun" for one in done)
        raise RuntimeError(failed[-1].error if len(done) == 1 else f"{len(failed)} of {len(done)} notebooks failed"
                           + (f", {left} were not begun." if left else "."))


def every_job(name: str, parameters: dict) -> list[tuple[str, dict]]:
    """A name's notebooks, each with what sets it apart; `all` is of both worlds, or of the one that is asked for."""
    if name != "all":
        return [(name, {})]
    second = not {"model", "dataset"} & set(parameters)
    if second and not data_file("mini-hard.safetensors").is_file():
        print("The second world is left out: its model is not there; make it by `make train MODEL=mini-hard`.")
        second = False
    jobs = [job for job in JOBS if second or not job[1]]
    values = HERE.parent / "results" / "shapley" / "{model}-{dataset}".format(**HARD) / "shapley.csv"
    if ("reference", HARD) in jobs and not values.is_file():
        print("The second world's reference is left out: its Shapley values are not there; make them by "
              "`python -m nib_utils run shapley --model mini-hard --dataset shapes-hard`.")
        jobs.remove(("reference", HARD))
    return jobs


def fast_asked() -> bool:
    """Whether the environment variable FAST asks for small sizes; raises ValueError for a word that says neither."""
    word = os.environ.get("FAST", "")
    if word.lower() not in WORDS:
        raise ValueError(f"FAST is {word!r}; it takes {', '.join(filter(None, WORDS))}, or nothing.")
    return WORDS[word.lower()]


def execute(name: str, parameters: dict) -> Path:
    """Run one notebook with parameters, `results` (a folder) among them; returns the executed copy.

    Raises RuntimeError when a cell fails or the kernel ends (the executed copy is kept), and what `check_request`
    raises.
    """
    papermill = need("papermill", "'nib-utils[notebooks]'")
    check_request(name, parameters)
    parameters = hard_defaults(name, parameters) | parameters
    executed = executed_copy(name, asked(name, parameters), parameters["results"])
    part = half_written(executed)
    check_writable(executed.parent, "the folder of executed copies")
    os.environ[BATCH] = "1"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("papermill").setLevel(logging.INFO)
    start = time.perf_counter()
    print(f"== {name}", flush=True)
    try:
        papermill.execute_notebook(str(NOTEBOOKS / f"{name}.ipynb"), str(part), parameters=parameters,
                                   kernel_name="python3", cwd=os.getcwd(), log_output=True, progress_bar=False,
                                   shutdown_kernel="immediate")  # asked to go in mid-cell, it would leave a traceback
    except papermill.PapermillExecutionError as error:
        raise RuntimeError(f"notebook {name}, cell {error.exec_count}: {error.ename}: {error.evalue} "
                           f"(the whole trace is in {executed})") from None
    except RuntimeError as error:
        raise RuntimeError(f"notebook {name}: its kernel ended ({first_line(error)}), perhaps for want of memory; "
                           f"what it did until then is in {executed}.") from None
    except OSError as error:
        raise OSError(f"the executed copy '{executed}' cannot be written ({error.strerror or error}).") from None
    finally:
        if part.is_file():
            part.replace(executed)
    print(f"== {name}: done in {time.perf_counter() - start:.0f} s; executed copy {executed}", flush=True)
    return executed
