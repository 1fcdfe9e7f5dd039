"""One server for the tests of a module, and one whose limits are low."""

import numpy as np
import pytest
from web_client import served


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(tmp_path_factory.mktemp("site")) as client:
        yield client


@pytest.fixture
def tight(tmp_path):
    """A server that accepts 3 files of 20,000 bytes and 3,000 pixels, 40,000 bytes in all."""
    folder = tmp_path / "tight"
    folder.mkdir()
    with served(folder, bytes=20_000, total=40_000, pixels=3_000, files=3) as client:
        yield client


@pytest.fixture(scope="session")
def scene():
    """I1 in color and I2, of 48×64 pixels."""
    y, x = np.mgrid[:48, :64]
    noise = np.random.default_rng(5).integers(0, 30, (48, 64, 4))
    levels = noise + (3 * x + 2 * y)[..., None] % (90, 110, 130, 150)
    return levels[..., :3].astype(np.uint8), levels[..., 3].astype(np.uint8)
