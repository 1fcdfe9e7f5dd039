"""What networks take their blocks from, and what their filters cost."""

import jax
import numpy as np
import pytest

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC


def test_a_coder_has_the_settings_of_its_network():
    network = FNet(features=3, iterations=2, kernel_size=5, threshold="soft", momentum="polyak")
    coder = network.coder(name="lzsc_u1")
    assert isinstance(coder, LZSC)
    assert coder.name == "lzsc_u1"
    assert coder.settings().items() <= network.settings().items()
    other = IFNet(block="lcsc", threshold="soft", shared=True, momentum="none")
    assert isinstance(other.coder(), LCSC)
    assert FNet(**network.settings()) == network


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"iterations": 0},
        {"iterations": 1, "shared": True},
        {"momentum": "none"},
        {"momentum": "polyak", "shared": True},
        {"block": "lcsc", "shared": True, "momentum": "none"},
    ],
)
def test_shapes_are_those_that_linen_makes(settings):
    settings = {"iterations": 2, **settings}  # the fewest with every kind of filters
    image = jax.ShapeDtypeStruct((1, 8, 8, 1), np.float32)
    for network, images in ((FNet(**settings), 2), (IFNet(**settings), 1)):
        made = jax.eval_shape(network.init, jax.random.key(0), *[image] * images)
        assert network.shapes() == made
    coder = FNet(**settings).coder()
    for channels in (1, 3):
        image = jax.ShapeDtypeStruct((1, 8, 8, channels), np.float32)
        made = jax.eval_shape(coder.init, jax.random.key(0), image)
        assert coder.shapes(channels) == made
        assert coder.channels(made["params"]) == channels


def test_wrong_blocks_are_refused():
    with pytest.raises(ValueError, match="unknown block 'csc': use 'lzsc' or 'lcsc'"):
        FNet(block="csc").check()
    with pytest.raises(ValueError, match="an LCSC block has shared weights"):
        FNet(block="lcsc").check()


@pytest.mark.parametrize("momentum", ["nesterov", "none"])
def test_shared_filters_cost_what_their_own_would(momentum):
    """Sharing saves parameters, not products."""
    own, shared = (FNet(features=3, momentum=momentum, shared=x) for x in (False, True))
    assert own.products() == shared.products()
    leaves = jax.tree.leaves(own.shapes())
    assert own.products() == sum(x.size for x in leaves if x.ndim == 4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("features", 4.0),
        ("features", True),
        ("features", 10**30),
        ("iterations", -1),
        ("iterations", "4"),
        ("kernel_size", 99999),
        ("kernel_size", 4),
        ("alpha", 1.5),
        ("alpha", None),
        ("gamma", float("nan")),
        ("gamma", 0),
        ("gamma", float("inf")),
        ("gamma", 10**400),
        ("shared", 1),
        ("threshold", ["soft"]),
        ("momentum", "adam"),
        ("block", {}),
        ("depth", 3),
    ],
)
@pytest.mark.parametrize("network", [FNet, IFNet])
def test_settings_of_a_file_are_checked_by_name(network, name, value):
    with pytest.raises(ValueError, match=name):
        network.of({name: value})


@pytest.mark.parametrize("block", [LZSC(features=3), LZSC(shared=True), LCSC(features=2)])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_block_knows_its_parameters(block, channels):
    shapes = jax.eval_shape(block.init, jax.random.key(0), np.zeros((1, 4, 4, channels)))["params"]
    banks, free = block.filters(channels), block.free()
    assert {n: x.shape for n, x in shapes.items()} == {
        **{n: bank.shape for n, bank in banks.items()},
        **{n: np.shape(x) for n, x in free.items()},
    }
    assert list(block.dictionaries({n: np.zeros(x.shape) for n, x in shapes.items()})) == [
        n for n, bank in banks.items() if n[:3] in ("W_e", "W_d") and "prime" not in n
    ]


def test_exchanged_parameters_exchange_the_sources(small_network, rng):
    network, params = small_network
    I2 = rng.random((1, 9, 8, 1), np.float32)
    unique = jax.jit(
        lambda params, code: network.apply(params, I2, code=code, method=FNet.unique),
        static_argnums=1,
    )
    straight = unique(params, "u2")[:2]
    turned = unique(network.exchanged(params), "u1")[:2]
    for one, other in zip(straight, turned, strict=True):
        np.testing.assert_array_equal(one, other)
