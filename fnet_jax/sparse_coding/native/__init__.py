"""The iterations of LZSC in C++, on CPUs: the same sums in a third of the time.

``engine.cpp`` is one call of XLA for one iteration, inside a compiled program; :mod:`.binding`
makes it known to JAX where it has been built, and :mod:`.coding` codes images with it.
"""
