"""What every test relies on: no network, a share of the cores, and the same random numbers whatever ran before."""
import os
import subprocess

os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers and huggingface_hub are imported
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # read when torch is imported, here and in the notebooks' kernels
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

import pytest  # noqa: E402
import torch  # noqa: E402

import nib_utils as nib  # noqa: E402


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_auto_num_workers(config):
    """One more than there are cores, because many tests wait for processes that they started; 2 GB each."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources")  # a remark of OpenAI's clip on itself


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def clip():
    """The embedded model; a room or a file that needs another has a fixture of its own by this name."""
    return nib.load_clip("mini")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB, where mounting one is allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)
