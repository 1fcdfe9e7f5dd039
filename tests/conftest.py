"""What every test shares: two forced CPU devices, small networks, and where research images are."""

import atexit
import os
import shutil
import tempfile

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # workers and commands share programs
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="fnet-jax-programs-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

from pathlib import Path

import jax
import numpy as np
import pytest

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params
from fnet_jax.weights import checkpoints

SMALL = {"features": 4, "iterations": 2, "kernel_size": 5}


@pytest.fixture(scope="session", autouse=True)
def two_devices():
    assert jax.device_count() == 2, "XLA_FLAGS came too late: JAX was started before conftest.py"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def small_network():
    """A small FNet with random parameters, as ``(network, params)``."""
    network = FNet(**SMALL)
    return network, initial_params(network, 0, method="xavier")


@pytest.fixture(scope="session")
def small_checkpoint(small_network, tmp_path_factory):
    """The folder of a checkpoint of ``small_network``."""
    path = tmp_path_factory.mktemp("small") / "ckpt"
    checkpoints.save(path, *small_network)
    return path


def _folder(variable: str, what: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: {what} are not here")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def data_folder():
    """Folder of the research images (TNO, NIR, MRI_CT …)."""
    return _folder("FNET_DATA", "research images")


@pytest.fixture(scope="session")
def official_folder():
    """Folder of the authors' weights and fused images."""
    return _folder("FNET_OFFICIAL", "the authors' weights and fused images")


LONGEST = ("test_loop.py", "test_stage1.py", "test_ablate.py", "test_recipe.py", "test_losses.py")


def pytest_collection_modifyitems(items):
    """Starts the files that take longest first, so that no process is left with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
