import jax
import pytest

from fnet_jax.errors import InputError
from fnet_jax.runtime.devices import check_devices


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AssertionError(), "no such device was found"),  # of JAX where a plugin is missing
        (RuntimeError("Unable to initialize backend 'x'\nmore"), "Unable to initialize backend"),
    ],
)
def test_what_jax_cannot_use_is_named(monkeypatch, error, said):
    def failing():
        raise error

    check_devices()
    monkeypatch.setattr(jax, "devices", failing)
    with pytest.raises(InputError, match=f"JAX_PLATFORMS=cpu cannot be used .{said}") as found:
        check_devices()
    assert "\n" not in str(found.value)
