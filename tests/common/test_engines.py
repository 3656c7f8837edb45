"""Engines: the same answers from all of them, in this process or another, and none left behind."""
import os
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

from nib_utils.common.engines import PACKAGES, call, check_engine, engine, here

HERE = Path(__file__).parents[2]
WORK = """
import time
from nib_utils.common.engines import engine
if __name__ == "__main__":
    with engine("processes", 2) as submit:
        running = [submit(time.sleep, 60) for _ in range(2)]
        time.sleep(60)
"""


@pytest.mark.parametrize("name", PACKAGES)
def test_the_same_answers_from_every_engine(name, tmp_path):
    pytest.importorskip(PACKAGES[name][0], reason=f"the engine {name} is not installed")
    try:
        with engine(name, 2, tmp_path / "jobs") as submit:
            running = [submit(divmod, i, 3) for i in range(4)] + [submit(os.getpid), submit(divmod, 1, 0)]
            assert all(isinstance(future, Future) for future in running)
            assert [future.result(300) for future in running[:4]] == [divmod(i, 3) for i in range(4)]
            assert running[4].result(300) != os.getpid()
            assert "ZeroDivisionError" in f"{type(running[5].exception(300)).__name__}: {running[5].exception()}"
    except RuntimeError as error:  # it gives its processes half a minute, whatever else the machine does
        if not str(error).startswith("Ray does not start"):
            raise
        pytest.skip(str(error))


def test_one_worker_is_this_process_and_keeps_no_interrupt():
    with engine() as submit:
        assert submit(os.getpid).result() == os.getpid() and isinstance(submit(divmod, 1, 0).exception(), ZeroDivisionError)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        here(interrupted)
    assert call(divmod, 7, 3) == (2, 1)


def test_a_worker_that_dies_takes_no_other_with_it():
    with engine("processes", 2) as submit:
        dies, stays = submit(os._exit, 3), submit(time.sleep, 0.5)
        assert dies.exception(60) is not None and stays.result(60) is None
        assert submit(divmod, 7, 3).result(60) == (2, 1)


def test_workers_end_with_a_driver_that_is_killed():
    driver = subprocess.Popen([sys.executable, "-c", WORK], cwd=HERE)
    until = time.monotonic() + 120
    while len(workers := psutil.Process(driver.pid).children(recursive=True)) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    driver.kill()
    driver.wait()
    assert len(workers) >= 2 and not psutil.wait_procs(workers, timeout=60)[1]


def test_what_is_no_engine_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="the engine is 'rya'; there are processes, ray, dask, submitit"):
        check_engine("rya", 1)
    with pytest.raises(ValueError, match="workers is 0; it takes a whole number from 1"):
        check_engine("ray", 0)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"the package 'ray' is needed but cannot be imported .*pip install 'nib-utils\[ray\]'"):
        check_engine("ray", 1)
    check_engine("processes", 1)
