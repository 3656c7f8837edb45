"""The model and the pairs of this room, where a test does not bring its own."""
import pytest
import tiny

import nib_utils as nib


@pytest.fixture(scope="session")
def clip():
    return nib.wrap(tiny.openai(layers=3, image_size=224))


@pytest.fixture(scope="session")
def pairs():
    return nib.load_pairs("shapes", n=12)
