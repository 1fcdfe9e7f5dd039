"""What computes a network: names that all rooms share."""

XLA = "xla"
NATIVE = "native"  # the compiled engine for CPUs, fnet_jax.sparse_coding.native
AUTO = "auto"  # the fastest that there is
ENGINES = (XLA, NATIVE)
CHOICES = (AUTO, *ENGINES)
VARIABLE = "FNET_ENGINE"  # of the environment, where nothing else is asked for
