"""The devices that JAX computes on."""

import jax

from fnet_jax.errors import InputError, first_line


def check_devices() -> None:
    """Initializes JAX on its configured devices, unless that has happened.

    Raises:
        InputError: the devices cannot be used; the message names ``JAX_PLATFORMS`` if it is set.
    """
    try:
        jax.devices()
    except Exception as error:  # RuntimeError, or for a missing CUDA plugin an AssertionError
        cause = first_line(error) if str(error) else "no such device was found"
        platforms = jax.config.values["jax_platforms"]
        if not platforms:
            raise InputError(f"JAX cannot start ({cause}); check its installation") from error
        raise InputError(
            f"JAX_PLATFORMS={platforms} cannot be used ({cause}); install JAX for that platform, "
            f"or unset JAX_PLATFORMS"
        ) from error
