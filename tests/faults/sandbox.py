"""A checkout of its own with one small notebook, in which a grid may be run, changed and killed."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import nbformat
import psutil

ROOT = Path(__file__).parents[2]
PARAMETERS = 'model = "mini"\nseed = 0\nseconds = 0.2\nfail = -1\nresults = "../results-lab"\nfast = False'
CELLS = (
    "import random\nimport time\n\nfrom nib_utils.apps.batch.results import Results\n\n"
    "parameters = dict(model=model, seed=seed, seconds=seconds, fail=fail, fast=fast)\n"
    'store = Results(results, "count", parameters)',
    "time.sleep(seconds)\nassert seed != fail, 'this one fails'\n"
    "draws = [random.Random(seed + i).random() for i in range(5000)]\n"
    'store.product("draws.csv", lambda part: part.write_text("\\n".join(map(str, draws))))',
    'time.sleep(seconds)\nstore.product("sum.csv", lambda part: part.write_text(f"sum\\n{sum(draws)}\\n"))',
    "store.close(draws=len(draws))")


class Sandbox:
    """The package, a file in the place of weights and the notebook `count`, in a folder; what runs there is known.

    >>> Sandbox(tmp_path).run("--seed", "0,1").returncode
    0
    """

    def __init__(self, folder: Path):
        self.folder, self.results, self.mark = folder, folder / "results", uuid4().hex
        shutil.copytree(ROOT / "nib_utils", folder / "nib_utils", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("data", "notebooks"):
            (folder / name).mkdir()
        self.weights.write_bytes(b"weights")
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (PARAMETERS, *CELLS)],
                                       metadata={"language_info": {"name": "python"}})
        book.cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(book, self.notebook)

    @property
    def weights(self) -> Path:
        return self.folder / "data" / "mini.safetensors"

    @property
    def notebook(self) -> Path:
        return self.folder / "notebooks" / "count.ipynb"

    def start(self, *arguments: str, results: Path | None = None) -> subprocess.Popen:
        """A driver; all that it starts inherits a mark by which it can be found."""
        place = {"PYTHONPATH": str(self.folder), "NIB_FAULTS": self.mark}
        return subprocess.Popen([sys.executable, "-m", "nib_utils", "run", "count", "--results",
                                 str(results or self.results), *arguments], cwd=self.folder, env=os.environ | place, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, *arguments: str, results: Path | None = None) -> subprocess.CompletedProcess:
        driver = self.start(*arguments, results=results)
        said, _ = driver.communicate(timeout=600)
        return subprocess.CompletedProcess(driver.args, driver.returncode, said)

    def alive(self) -> list[psutil.Process]:
        """All that was started here and has not ended."""
        return [p for p in psutil.process_iter() if self.marked(p)]

    def marked(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("NIB_FAULTS") == self.mark
        except psutil.Error:
            return False

    def quiet(self, seconds: float = 30) -> bool:
        """Whether all has ended, at the latest after some seconds: no kernel stays behind."""
        until = time.monotonic() + seconds
        while self.alive() and time.monotonic() < until:
            time.sleep(0.2)
        return not self.alive()

    def products(self, results: Path | None = None) -> dict[str, bytes]:
        """Every file of the results by its path, but the records, which hold seconds."""
        root = results or self.results
        return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*"))
                if file.is_file() and file.suffix != ".json"}
