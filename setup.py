"""Builds the engine for CPUs where there is a C++ compiler; the rest is in pyproject.toml."""

import sys

import jax
from setuptools import Extension, setup

NATIVE = "fnet_jax/sparse_coding/native"
GNU = ["-O3", "-std=c++17", "-Wall", "-Wextra", "-Wno-psabi", f"-isystem{jax.ffi.include_dir()}"]

setup(
    ext_modules=[
        Extension(
            "fnet_jax.sparse_coding.native._engine",
            sources=[f"{NATIVE}/engine.cpp"],
            depends=[f"{NATIVE}/{name}.h" for name in ("engine", "iteration", "kernels")],
            extra_compile_args=GNU,
            language="c++",
            optional=True,  # without it everything works, on XLA alone
        )
    ]
    if sys.platform != "win32"
    else [],
)
