"""What is imported for a picture's sake, and OpenAI's package in parts."""
import subprocess
import sys

import pytest

EXPLAINED = """
import sys
import nib_utils as nib
clip, pairs = nib.load_clip("mini"), nib.load_pairs("shapes", n=1)
nib.curves(clip, nib.explain(clip, list(pairs.image), list(pairs.caption), "legrad"))
print(*(name for name in ("torchvision", "torch._dynamo", "matplotlib", "transformers") if name in sys.modules))
"""
LATER = """
import nib_utils as nib
mini = nib.load_clip("mini")
import clip.model
from nib_utils.common.packages import part_of_clip
assert type(mini.model).__module__ == "clip.model" and hasattr(clip, "load")
part_of_clip.cache_clear()
assert part_of_clip("model") is clip.model  # it is in use by now
assert nib.wrap(clip.model.CLIP(16, 64, 2, 64, 32, 77, 49408, 64, 1, 2)).image.depth == 2
"""


LACKING = """
import sys
from nib_utils.common.packages import part_of_clip
if sys.argv[1:]:
    sys.path.insert(0, sys.argv[1])
else:
    sys.modules["clip"] = None
try:
    part_of_clip("model")
except ImportError as error:
    print(error)
"""


def run(code, *arguments):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_picture_is_explained_without_what_takes_as_long_to_come_as_torch():
    assert run(EXPLAINED) == ""


def test_the_package_stays_whole():
    assert run(LATER) == ""


@pytest.mark.parametrize("another", [False, True])
def test_without_the_package_one_sentence_says_so(tmp_path, another):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "__init__.py").write_text("")
    said = run(LACKING, *([str(tmp_path)] if another else []))
    assert said.startswith("the package 'clip.model' is needed but cannot be imported (") and "\n" not in said
    assert said.endswith("run `pip install clip-anytorch 'setuptools<81'`.")
