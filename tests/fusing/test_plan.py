from types import SimpleNamespace

import jax
import numpy as np
import pytest

from fnet_jax.fusing import plan, tiles
from fnet_jax.fusing.costs import COSTS
from fnet_jax.fusing.engine import unable
from fnet_jax.fusing.plan import Limits, cut, limits, to_decompose, to_fuse
from fnet_jax.fusing.programs import Programs
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime.engines import ENGINES, NATIVE

UNLIMITED = Limits(np.inf, np.inf)


def device(platform, **counted):
    return SimpleNamespace(platform=platform, memory_stats=lambda: counted)


@pytest.fixture
def free(monkeypatch):
    """Makes the system have so many bytes free."""

    def set_to(number):
        monkeypatch.setattr("fnet_jax.runtime.memory.available", lambda device: number)

    return set_to


def test_the_memory_of_the_device_itself_counts():
    """Whatever the default backend of JAX is, and how much the machine has."""
    gpu = device("gpu", bytes_limit=10_000_000_000, bytes_in_use=2_000_000_000)
    assert limits(gpu) == Limits(8e9, pytest.approx(6.4e9))
    assert limits(device("gpu")) == UNLIMITED  # unknown
    network, size = FNet(), (1100, 1100)
    assert cut(size, network, limits(gpu)) is None
    full = device("gpu", bytes_limit=2_000_000_000, bytes_in_use=1_000_000_000)
    tile = cut(size, network, limits(full))
    assert tile is not None
    assert to_fuse(size, network, limits(full)).bytes <= 0.8e9


def test_a_cpu_is_not_filled(free):
    cpu, network = jax.local_devices()[0], FNet()
    free(None)
    assert limits(cpu) == Limits(np.inf, plan.BUDGET)
    free(100_000_000_000)
    assert limits(cpu) == Limits(1e11, plan.BUDGET)
    planned = to_fuse((3000, 2000), network, limits(cpu))
    assert planned.tile is not None
    assert planned.shape == tiles.shape_of(planned.tile, (3000, 2000), network)
    assert planned.bytes <= plan.BUDGET
    free(500_000_000)
    assert limits(cpu) == Limits(5e8, 4e8)
    assert to_fuse((640, 640), network, limits(cpu)).bytes <= 4e8
    with pytest.raises(MemoryError, match="640×640 pixels need about .* only 0.5 GB are free"):
        to_decompose((640, 640), network, limits(cpu))


def test_the_side_asked_for_decides():
    network = FNet()
    assert to_fuse((300, 200), network, UNLIMITED, side=300).tile is None
    assert to_fuse((300, 201), network, UNLIMITED, side=299).tile == (150, 201)


def test_the_shape_is_the_one_chosen():
    planned = to_fuse((30, 20), FNet(), UNLIMITED, choose=lambda size: (64, 48))
    assert (planned.shape, planned.tile) == ((64, 48), None)
    with pytest.raises(AttributeError):
        planned.tile = (1, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "channels"), [("fuse", (1, 1)), ("unique", (1,)), ("common", (2,))]
)
def test_memory_is_estimated_from_what_programs_hold(engine, kind, channels):
    """XLA's own count for a compiled program, within a fifth."""
    network, (cpu, *_) = FNet(), jax.local_devices()
    if engine == NATIVE and unable(network, cpu):
        pytest.skip(unable(network, cpu))
    height, width = 480, 640  # beside which filters are small
    arrays = [jax.ShapeDtypeStruct((1, height, width, c), np.float32) for c in channels]
    size = np.array([height, width], np.int32)
    params = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), network.shapes())
    if engine == NATIVE:
        params = network.prepared(params)
    program = Programs(network, cpu, engine=engine).get(kind, params, *arrays, size)
    costs = COSTS[engine]
    maps = costs.whole if kind == "fuse" else costs.tile
    estimate = 4 * (maps * network.features + costs.images) * height * width
    assert 0.8 < estimate / program.memory_analysis().temp_size_in_bytes < 1.2
    if kind == "fuse":
        planned = to_fuse((height, width), network, UNLIMITED, engine=engine)
        assert planned.bytes == pytest.approx(estimate + costs.beside * height * width)
