"""The sizes by name: what is shipped for each, and that everything works with it."""

import numpy as np
import pytest

from fnet_jax import Fuser
from fnet_jax.fusing.edits import Edit, Feature, decode
from fnet_jax.fusing.edits import fuse as fuse_edited
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.sizes import BASE, SIZES, listed
from fnet_jax.weights import checkpoints

SMALL = [name for name in SIZES if name != BASE]
AT_MOST = {"xs": 25, "xxs": 100, "xxxs": 400}  # of the paper's operations
KILOBYTES = 300


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


def test_the_weights_are_of_the_size(size):
    network, params, meta = checkpoints.load(checkpoints.shipped(size), FNet)
    assert SIZES[size].settings.items() <= network.settings().items()
    checkpoints.check_fit(size, network, params)
    assert meta["source"]["kind"] == "recipe"


@pytest.mark.parametrize("size", SMALL)
def test_small_ones_are_small(size):
    network = FNet.of(SIZES[size].settings)
    assert AT_MOST[size] * network.products() <= FNet().products()
    files = [path for path in checkpoints.shipped(size).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < KILOBYTES * 1000


def test_each_fuses_and_its_features_can_be_edited(size, rng):
    fuser = Fuser.pretrained(size)
    pair = rng.integers(0, 256, (2, 24, 20), np.uint8)
    fused = fuser.fuse(*pair)
    # Far from an average: the brighter source decides, as eq. 26 wants.
    brighter, darker = pair.max(axis=0), pair.min(axis=0)
    assert np.corrcoef(fused.ravel(), brighter.ravel())[0, 1] > 0.5
    assert fused.mean() > (brighter.mean() + darker.mean()) / 2

    last = fuser.network.features - 1
    found = fuser.decompose(*pair)
    parts = sum(found[name] for name in ("If_u1", "If_u2", "If_c"))
    np.testing.assert_allclose(found["If"], parts, atol=1e-5)  # float32, summed in another order
    without = decode(found, fuser.params, Edit(features=(Feature("u1", last, 0.0),)))
    one = found["If"] - without
    twice = decode(found, fuser.params, Edit(features=(Feature("u1", last, 2.0),)))
    np.testing.assert_allclose(twice, found["If"] + one, atol=1e-5)
    assert (fuse_edited(fuser, *pair, Edit(u1=0.0)) != fused).any()


def test_light_grey_in_both_images_stays_grey(size):
    light = np.full((40, 40), 200, np.uint8)
    # 205 to 230 (docs/sizes.md); where both images are bright, a network that has only seen streets
    # gives white, as the sum of what each contributes.
    assert 200 <= Fuser.pretrained(size).fuse(light, light)[16:24, 16:24].mean() < 240


def test_help_says_what_each_keeps():
    assert all(f"{name}: {size.keeps}" in listed() for name, size in SIZES.items())
