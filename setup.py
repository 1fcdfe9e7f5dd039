"""Builds the engine for CPUs where there is a C++ compiler; the rest is in pyproject.toml."""

import sys

import jax
from setuptools import Extension, setup

NATIVE = "fnet_jax/sparse_coding/native"
FLAGS = ["-O3", "-g0", "-std=c++17", "-Wall", "-Wextra", "-Wno-psabi"]

setup(
    ext_modules=[
        Extension(
            "fnet_jax.sparse_coding.native._engine",
            sources=[f"{NATIVE}/engine.cpp"],
            depends=[f"{NATIVE}/{name}.h" for name in ("engine", "iteration", "kernels")],
            extra_compile_args=[*FLAGS, f"-isystem{jax.ffi.include_dir()}"],
            language="c++",
            py_limited_api=True,  # it knows nothing of Python: one wheel is for all versions
            optional=True,  # without it everything works, on XLA alone
        )
    ]
    if sys.platform != "win32"
    else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
