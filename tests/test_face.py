"""The face of the package: `nib.X` is there when it is asked for, and nothing heavy before."""
import subprocess
import sys
from pathlib import Path

import nib_utils as nib

ROOT = Path(nib.__file__).parents[1]


def test_every_public_name_is_there():
    assert nib.__all__ == sorted(nib.__all__) == dir(nib) and len(nib.__all__) > 40
    assert all(getattr(nib, name) is not None for name in nib.__all__)
    assert nib.explain.__module__ == "nib_utils.maps.explain" and not hasattr(nib, "nothing")


def test_nothing_heavy_is_imported_before_it_is_asked_for():
    code = ("import sys, nib_utils as nib, nib_utils.apps.shell; heavy = {'torch', 'numpy', 'pandas', 'papermill'};"
            "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
            "from nib_utils import interval; assert 'pandas' in sys.modules and 'open_clip' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr


def test_what_an_explanation_takes_can_be_read_in_an_hour():
    rooms = [ROOT / "nib_utils" / room for room in ("clip", "methods", "maps")]
    assert sum(len(file.read_text().splitlines()) for room in rooms for file in room.rglob("*.py")) <= 3200
