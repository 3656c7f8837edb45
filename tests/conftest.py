"""What every test relies on: no network, and the same random numbers whatever ran before."""
import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers and huggingface_hub are imported

import pytest  # noqa: E402
import torch  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources")  # a remark of OpenAI's clip on itself


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
