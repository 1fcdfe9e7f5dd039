import json

import jax
import numpy as np
import oracle
import pytest

from fnet_jax import Fuser, InputError
from fnet_jax.explain import nulls
from fnet_jax.explain.explanation import explain, plain
from fnet_jax.explain.figures import curves
from fnet_jax.fusing.edits import CODES, Edit, Feature
from fnet_jax.networks.fnet import FNet
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.synthetic import night_street

HEIGHT, WIDTH = 21, 26


@pytest.fixture(scope="module")
def fuser(small_network):
    return Fuser(*small_network)


@pytest.fixture(scope="module")
def pair():
    return night_street(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def explained(fuser, pair):
    edit = Edit(u2=0.5, features=(Feature("c", 1, 0.0),))
    return explain(fuser, *pair, edit=edit, strongest=3)


@pytest.fixture(scope="module")
def found(fuser, pair):
    return fuser.decompose(*pair)


def test_the_parts_sum_to_the_fused_image(explained):
    images = explained.images
    total = images["If_u1"] + images["If_u2"] + images["If_c"]
    assert np.abs(total - images["If"]).max() < 1e-5
    assert explained.numbers()["sum_error"] < 1e-5


def test_images_are_the_networks(explained, fuser, pair, found):
    for name in ("I1_hat", "I2_hat", "If_u1", "If_u2", "If_c", "If"):
        np.testing.assert_array_equal(explained.images[name], found[name][..., 0])
    for name, code in (("I1", "u1"), ("I2", "u2")):
        D = fuser.params["params"][f"D_{code}"]
        explains = np.asarray(correlate(found[code][None], D))[0, ..., 0]
        rest = explained.images[name] - explains
        np.testing.assert_allclose(explained.images[f"{name}_hat"], rest, atol=1e-5)
    assert np.abs(explained.fused.astype(int) - fuser.fuse(*pair)).max() <= 1
    np.testing.assert_allclose(explained.shares.sum(axis=2), 1, atol=1e-6)


def test_counts_against_loops(explained, found):
    for code, block in explained.blocks.items():
        iterates = found[f"lzsc_{code}"]
        largest = max(abs(float(x)) for x in found[code].ravel())
        assert block.epsilon == pytest.approx(largest / 1000)
        for k in range(3):
            for name, counts in (
                ("before_threshold", block.nulls_before),
                ("u", block.nulls_after),
            ):
                values = iterates[name][k].ravel()
                assert counts[k] == sum(abs(x) < block.epsilon for x in values)
        pixels = HEIGHT * WIDTH
        nonzeros = [(4 * pixels - nulls) / pixels for nulls in block.nulls_after]
        np.testing.assert_allclose(block.nonzeros, nonzeros)
        before, after = block.nulls_before, block.nulls_after
        expected = 100 * (after / np.where(before, before, np.nan) - 1)
        np.testing.assert_allclose(block.null_increase, expected)
        np.testing.assert_array_equal(block.histogram.after.sum(), 4 * pixels)


def test_features_are_sorted_by_use(explained, found):
    for code, block in explained.blocks.items():
        energies = (found[code].astype(np.float64) ** 2).sum(axis=(0, 1))
        order = np.argsort(-energies, kind="stable")
        np.testing.assert_array_equal(block.use.order, order)
        np.testing.assert_array_equal(block.strongest, found[code][..., order[:3]])
        listed = explained.numbers()["blocks"][code]["features_by_energy"]
        assert [row["feature"] for row in listed] == list(order)


def test_filters_go_by_the_use_of_the_features_they_lead_to_or_from(explained, found):
    for code, block in explained.blocks.items():
        iterates = found[f"lzsc_{code}"]["u"]
        for name, k in (("W_e_0", 0), ("W_e_2", 2), ("W_d_1", 0), ("W_d_2", 1), ("G", 2)):
            energies = (iterates[k].astype(np.float64) ** 2).sum(axis=(0, 1))
            use = block.use_of(name)
            np.testing.assert_allclose(use.energy, energies / energies.sum(), rtol=1e-5)
            frequency = (np.abs(iterates[k]) >= block.epsilon).mean(axis=(0, 1))
            np.testing.assert_array_equal(use.frequency, frequency)
        assert block.use_of("W_e") is block.use_of("D") is block.use
        energies = explained.arrays()[f"{code}_feature_energy"]
        np.testing.assert_array_equal(energies[1], block.use_of("W_e_1").energy)


def test_shares_of_light(explained):
    light = np.array([np.abs(explained.images[f"If_{code}"]).sum() for code in CODES])
    shown = explained.numbers()["shares"]["of_light"]
    np.testing.assert_allclose([shown[code] for code in CODES], light / light.sum(), rtol=1e-5)


def test_dictionaries_are_the_parameters(explained, fuser):
    parameters = fuser.params["params"]
    for code, block in explained.blocks.items():
        channels = 2 if code == "c" else 1
        names = ["W_e_0", "W_e_1", "W_e_2", "W_d_1", "W_d_2", *("D" * (code != "c")), "G"]
        assert list(block.dictionaries) == names
        for name, filters in block.dictionaries.items():
            assert filters.shape == (4, 1 if name == "G" else channels, 5, 5)
        np.testing.assert_array_equal(
            block.dictionaries["W_e_1"][3, -1], parameters[f"lzsc_{code}"]["W_e_1"][:, :, -1, 3]
        )
        np.testing.assert_array_equal(
            block.dictionaries["W_d_2"][3, -1], parameters[f"lzsc_{code}"]["W_d_2"][:, :, 3, -1]
        )


def test_eleven_iterations_are_sorted_by_number():
    network = FNet(features=2, iterations=11, kernel_size=3)
    parameters = jax.tree.map(lambda x: np.zeros(x.shape), network.shapes())
    names = list(network.dictionaries(parameters, "u1"))
    assert names[:12] == [f"W_e_{k}" for k in range(12)]
    assert names[12:] == [*(f"W_d_{k}" for k in range(1, 12)), "D", "G"]


@pytest.mark.parametrize(
    "settings",
    [
        {"block": "lcsc", "threshold": "soft", "shared": True, "momentum": "none"},
        {"shared": True},
        {"momentum": "none"},
    ],
)
def test_other_blocks_are_explained(pair, settings):
    network, image = (
        FNet(features=4, iterations=2, kernel_size=5, **settings),
        np.zeros((1, 8, 8, 1)),
    )
    fuser = Fuser(network, jax.device_get(jax.jit(network.init)(jax.random.key(0), image, image)))
    explained, found = explain(fuser, *pair), fuser.decompose(*pair)
    for code, block in explained.blocks.items():
        iterates, filters = found[f"lzsc_{code}"], fuser.params["params"][f"lzsc_{code}"]
        lcsc = "block" in settings
        theta = np.full(3, iterates["theta"].mean()) if lcsc else iterates["theta"]
        np.testing.assert_allclose(block.theta, theta, rtol=1e-6)
        np.testing.assert_array_equal(block.rho, iterates.get("rho", np.zeros(3)))
        assert {x for x in block.dictionaries if x not in "DG"} == {
            x for x in filters if x[:3] in ("W_e", "W_d") and "prime" not in x
        }
        if code != "c":
            e = explained.images[code.replace("u", "I")][..., None]
            W_d = filters.get("W_d", filters.get("W_d_2"))
            read = np.asarray(correlate(iterates["u"][1][None], W_d))[0]
            told = (e * read).sum() / np.linalg.norm(e) / np.linalg.norm(read)
            assert block.convergence.seen[2] == pytest.approx(np.sqrt(1 - told**2), rel=1e-4)
            assert block.use_of("W_d_2" if "W_d_2" in filters else "W_d").energy.sum() > 0.99
    json.dumps(explained.numbers(), allow_nan=False)
    figure = curves.schedule(explained)
    assert len(figure.axes) == 2


def test_without_an_edit_the_edited_image_is_the_fused_one(fuser, pair):
    found = explain(fuser, *pair)
    np.testing.assert_array_equal(found.images["If_edited"], found.images["If"])
    np.testing.assert_array_equal(found.edited, found.fused)
    assert found.numbers()["edit"]["largest_change"] == 0


def test_an_edit_changes_the_edited_image_alone(explained, fuser, pair, found):
    np.testing.assert_array_equal(explained.images["If"], found["If"][..., 0])
    one = found["c"] * (np.arange(4) == 1)
    lost = np.asarray(correlate(one[None], fuser.params["params"]["G_c"]))[0]
    expected = found["If"] - 0.5 * found["If_u2"] - lost
    np.testing.assert_allclose(explained.images["If_edited"], expected[..., 0], atol=1e-5)
    high = explain(fuser, *pair, edit=Edit(theta_scale=1e3))
    assert np.abs(high.images["If_edited"]).max() < 1e-5
    assert high.blocks["u1"].theta[0] == explained.blocks["u1"].theta[0]


def test_numbers_are_plain_and_equal_the_arrays(explained):
    numbers = json.loads(json.dumps(explained.numbers(), allow_nan=False))
    arrays = explained.arrays()
    assert (numbers["height"], numbers["width"]) == arrays["If"].shape
    for code in CODES:
        block = numbers["blocks"][code]
        for name in ("theta", "rho", "nulls_before", "nulls_after", "step", "seen", "decoded"):
            found = np.array(block[name], float)  # None becomes NaN
            np.testing.assert_allclose(found, arrays[f"{code}_{name}"], rtol=1e-6)
        assert block["seen"][0] is None
    assert numbers["blocks"]["c"]["decoded"] == [None] * 3
    mean = [numbers["shares"]["mean"][code] for code in CODES]
    np.testing.assert_allclose(mean, arrays["shares"].mean(axis=(0, 1)), rtol=1e-5)
    change = np.abs(arrays["If_edited"] - arrays["If"])
    assert numbers["edit"]["largest_change"] == pytest.approx(change.max())
    assert numbers["edit"]["features"] == [{"code": "c", "number": 1, "scale": 0.0}]


def test_arrays_do_not_hold_the_networks_memory(explained):
    for array in explained.arrays().values():
        base = array if array.base is None else array.base
        assert base.nbytes <= max(array.nbytes, 4 * HEIGHT * WIDTH * 4)


def test_a_given_epsilon_holds_for_all_blocks(fuser, pair):
    blocks = explain(fuser, *pair, epsilon=0.01).blocks
    assert {block.epsilon for block in blocks.values()} == {0.01}
    assert blocks["c"].nulls_after[2] == nulls.count([fuser.decompose(*pair)["c"]], 0.01)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (30, 2)])
def test_any_size_and_black_images(fuser, size):
    black = np.zeros(size, np.uint8)
    found = explain(fuser, black, black, edit=Edit(c=2))
    assert not found.fused.any()
    assert found.numbers()["shares"] == {
        "of_light": dict.fromkeys(CODES),
        "mean": dict.fromkeys(CODES),
        "undefined": 1.0,
    }


def test_input_that_cannot_be_used(fuser, pair, monkeypatch):
    for options, message in (
        ({"strongest": 0}, "strongest is 0; use 1 or more"),
        ({"epsilon": 0.0}, "epsilon is 0; use a number above 0"),
        ({"epsilon": np.nan}, "epsilon is nan"),
        ({"edit": Edit(features=(Feature("u1", 9, 0),))}, "feature u1:9 does not exist"),
    ):
        with pytest.raises(InputError, match=message):
            explain(fuser, *pair, **options)
    monkeypatch.setattr("fnet_jax.runtime.memory.available", lambda device: 10_000)
    with pytest.raises(MemoryError, match="26×21 pixels need about"):
        explain(fuser, *pair)


def test_plain():
    found = plain({"a": np.float32(1.5), "b": (np.array([1, 2]), np.nan), "c": np.inf, "d": True})
    assert found == {"a": 1.5, "b": [[1, 2], None], "c": None, "d": True}


def test_the_thresholds_do_what_the_paper_says(fuser, explained):
    for block in explained.blocks.values():
        assert (np.diff(block.theta) < 0).all()
        assert (np.diff(block.rho) > 0).all()
        assert (block.nulls_after >= block.nulls_before).all()


def test_the_energy_is_that_of_the_literal_equations(explained, fuser):
    parameters = fuser.params["params"]
    for code in ("u1", "u2"):
        image = explained.images[code.replace("u", "I")][None, ..., None]
        literal = np.asarray(oracle.lzsc(parameters[f"lzsc_{code}"], image, 2))[0]
        energy = (literal**2).sum(axis=2)
        assert oracle.relative_error(explained.blocks[code].energy, energy) < 1e-4
