"""The iterations of LZSC in C++ for CPUs: the same sums in a third of the time.

``engine.cpp`` is one XLA call per iteration inside a compiled program; :mod:`.binding` registers it
with JAX if it has been built, and :mod:`.coding` codes images with it.
"""
