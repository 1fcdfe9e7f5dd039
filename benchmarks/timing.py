"""Measuring what the benchmarks compare: medians of calls in turn, and the machine's ceiling."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

CEILING = {"cpu": 1536, "gpu": 8192}  # side of a product that fills the device


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: what is measured, and against what.
        figure: the ratio, share or time that counts, as text.
        details: what it was computed from, as text.
        numbers: the same by name.
    """

    what: str
    figure: str
    details: str
    numbers: dict[str, float]


def in_turn(works: Mapping[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """Median seconds of each work by name, called in turn so that all meet the same machine.

    Each is called once before, unmeasured.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for i in range(repeat + 1):
        for name, work in works.items():
            begin = time.perf_counter()
            jax.block_until_ready(work())
            if i:
                times[name].append(time.perf_counter() - begin)
    return {name: float(np.median(taken)) for name, taken in times.items()}


def against_ceiling(
    work: Callable[[], Any], operations: float, repeat: int
) -> tuple[float, dict[str, float]]:
    """Share of the ceiling that a work reaches, and the numbers that it comes from.

    The ceiling is a float32 matrix product between the calls, on the same cores or GPU.
    """
    side = CEILING.get(jax.default_backend(), CEILING["gpu"])
    a = jnp.ones((side, side), jnp.float32)
    product = jax.jit(lambda a: jnp.matmul(a, a, precision=lax.Precision.HIGHEST))
    taken = in_turn({"work": work, "product": lambda: [product(a) for _ in range(4)]}, repeat)
    rate, ceiling = operations / taken["work"], 4 * 2 * side**3 / taken["product"]
    numbers = {"seconds": taken["work"], "flops": rate, "ceiling": ceiling}
    return rate / ceiling, numbers


def compiled(
    function: Callable[..., Any], *args: Any, options: dict[str, Any] | None = None
) -> tuple[Any, float]:
    """A compiled program and the seconds that lowering and compiling took."""
    begin = time.perf_counter()
    program = jax.jit(function, compiler_options=options).lower(*args).compile()
    return program, time.perf_counter() - begin


def bytes_held(program: Any) -> float:
    """Bytes that a compiled program allocates beside its arguments; NaN where XLA reports none."""
    memory = program.memory_analysis()
    if memory is None:
        return math.nan
    return float(memory.temp_size_in_bytes + memory.output_size_in_bytes)
