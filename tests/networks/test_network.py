"""What networks take their blocks from, and what their filters cost."""

import jax
import numpy as np
import pytest

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.network import filter_products
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC

IMAGE = np.zeros((1, 8, 8, 1), np.float32)


def test_a_coder_has_the_settings_of_its_network():
    network = FNet(features=3, iterations=2, kernel_size=5, threshold="soft", momentum="polyak")
    coder = network.coder("lzsc_u1")
    assert isinstance(coder, LZSC)
    assert coder.name == "lzsc_u1"
    assert coder.settings().items() <= network.settings().items()
    other = IFNet(block="lcsc", threshold="soft", shared=True, momentum="none")
    assert isinstance(other.coder(), LCSC)
    assert FNet(**network.settings()) == network


def test_wrong_blocks_are_refused():
    with pytest.raises(ValueError, match="unknown block 'csc': use 'lzsc' or 'lcsc'"):
        FNet(block="csc").check()
    with pytest.raises(ValueError, match="an LCSC block has shared weights"):
        FNet(block="lcsc").check()


@pytest.mark.parametrize("momentum", ["nesterov", "none"])
def test_shared_filters_cost_what_their_own_would(momentum):
    """Sharing saves parameters, not products."""
    products = []
    for shared in (False, True):
        network = FNet(features=3, momentum=momentum, shared=shared)
        params = jax.eval_shape(network.init, jax.random.key(0), IMAGE, IMAGE)
        products.append(filter_products(params, iterations=4))
        if not shared:
            assert products[0] == sum(x.size for x in jax.tree.leaves(params) if x.ndim == 4)
    assert products[0] == products[1]
