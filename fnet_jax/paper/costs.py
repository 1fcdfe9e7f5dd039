"""The costs of fusing: parameters, operations, time and memory, measured in a separate process."""

import statistics
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fnet_jax.errors import InputError
from fnet_jax.runtime.cores import cores
from fnet_jax.runtime.pool import Pool

SIDE = 320  # pixels; at which the paper states FLOPs and runtime
REPEATS = 5


@dataclass(frozen=True)
class Costs:
    """The costs of fusing one pair of ``side`` × ``side`` pixels.

    Attributes:
        side: pixels.
        parameters: number of FNet's parameters.
        flops: floating-point operations as XLA counts them in its own program.
        flops_of_filters: 2 per filter weight and pixel, independent of how the network is computed.
        seconds: median time of a compiled call, with the images in memory.
        compile_seconds: time of the first call minus ``seconds``.
        peak_bytes: peak memory: of the process, with Python and JAX, on a CPU; of the device on
            a GPU.
        devices: the devices used.
    """

    side: int
    parameters: int
    flops: float
    flops_of_filters: float
    seconds: float
    compile_seconds: float
    peak_bytes: int
    devices: str

    def described(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return asdict(self)


def measure(ckpt: Path, *, side: int = SIDE, repeats: int = REPEATS) -> Costs:
    """Measures a checkpoint's network in a new process with its own memory.

    A script that calls this needs the guard ``if __name__ == "__main__":``; see
    :class:`~fnet_jax.runtime.pool.Pool`.

    Raises:
        InputError: the checkpoint cannot be used, or the process was killed.
    """
    try:
        with Pool(1) as pool:
            return pool.submit(_measured, ckpt, side, repeats).result()
    except BrokenProcessPool as error:
        raise InputError(
            f"{ckpt}: the process that measured the costs was killed; free some memory and retry"
        ) from error


def _measured(ckpt: Path, side: int, repeats: int) -> Costs:
    import jax
    import numpy as np

    from fnet_jax.fusing.fuser import Fuser

    fuser = Fuser.from_checkpoint(ckpt)
    images = np.random.default_rng(0).random((2, side, side), np.float32)

    def fuse() -> float:
        begin = time.perf_counter()
        fuser.fuse(*images, color="grey")
        return time.perf_counter() - begin

    first, times = fuse(), [fuse() for _ in range(repeats)]
    peak = _peak_bytes()
    arrays = jax.tree.leaves(fuser.params)
    return Costs(
        side=side,
        parameters=sum(array.size for array in arrays),
        flops=fuser.flops((side, side)),
        flops_of_filters=2.0 * side**2 * fuser.network.products(),
        seconds=statistics.median(times),
        compile_seconds=first - statistics.median(times),
        peak_bytes=peak,
        devices=f"{', '.join(map(str, jax.local_devices()))}; {cores()} CPU cores",
    )


def _peak_bytes() -> int:
    """Peak memory of the first device if it has its own, else of this process."""
    import jax

    counted = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in counted:
        return int(counted["peak_bytes_in_use"])
    # On Linux, ru_maxrss includes the memory of the parent when it started this process.
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
