"""The face of the package: `nib.X` is there when it is asked for, and nothing heavy before."""
import ast
import subprocess
import sys
from pathlib import Path

import nib_utils as nib

STUB = Path(nib.__file__).with_suffix(".pyi")


def test_every_public_name_is_there():
    public = next(ast.literal_eval(line.value) for line in ast.parse(STUB.read_text()).body if isinstance(line, ast.Assign))
    assert sorted(public) == nib.__all__ == dir(nib) and len(public) > 40
    assert all(getattr(nib, name) is not None for name in public)
    assert nib.explain.__module__ == "nib_utils.maps.explain" and not hasattr(nib, "nothing")


def test_nothing_heavy_is_imported_before_it_is_asked_for():
    code = ("import sys, nib_utils as nib, nib_utils.batch.run; heavy = {'torch', 'numpy', 'pandas', 'papermill'};"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
            "from nib_utils import interval; assert 'pandas' in sys.modules and 'open_clip' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(STUB.parents[1])})
    assert done.returncode == 0, done.stderr
