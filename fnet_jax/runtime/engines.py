"""What computes a network, and how precisely: names that all rooms share."""

XLA = "xla"
NATIVE = "native"  # the compiled engine for CPUs, fnet_jax.sparse_coding.native
AUTO = "auto"  # the fastest that can be used
ENGINES = (XLA, NATIVE)
CHOICES = (AUTO, *ENGINES)
VARIABLE = "FNET_ENGINE"  # of the environment, where nothing else is asked for

HIGHEST = "highest"  # products of float32, 23 bits of mantissa, on every device
TF32 = "tf32"  # of 10 bits on NVIDIA GPUs since Ampere; float32 elsewhere
BF16 = "bf16"  # of 7 bits on every device
PRECISIONS = (HIGHEST, TF32, BF16)
PRECISION = HIGHEST
"""The default: the fastest whose fused images equal a CPU's in at least 99.9 % of 8-bit pixels.

``python -m benchmarks.gpu`` checks that on a machine.
"""
