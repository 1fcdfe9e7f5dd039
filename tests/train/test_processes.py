"""Several processes that train together, as far as one can test it."""

from pathlib import Path

import jax
import pytest

from fnet_jax.errors import InputError
from train.config import TrainConfig
from train.run.processes import join


@pytest.mark.parametrize(
    "address", ["nonsense", "no.such.host.invalid:1234", ":1", "a b:1", f"{'a' * 64}:1"]
)
def test_an_address_that_cannot_be_found_is_refused_at_once(address):
    config = TrainConfig(Path("runs"), coordinator=address, num_processes=2, process_id=1)
    with pytest.raises(InputError, match=f"--coordinator {address} cannot be found") as refusal:
        join(config)
    assert "\n" not in str(refusal.value)


def test_devices_that_jax_cannot_use_are_refused_before_anything_else(monkeypatch):
    def failing():
        raise AssertionError  # of JAX where a plugin is missing

    monkeypatch.setattr(jax, "devices", failing)
    with pytest.raises(InputError, match="JAX_PLATFORMS=cpu cannot be used"):
        join(TrainConfig(Path("runs")))
