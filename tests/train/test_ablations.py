"""The experiments of Table III: what each changes, and that it trains."""

from pathlib import Path

import jax
import numpy as np
import pytest

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.losses import stage1
from fnet_jax.networks.start import initial_params
from train.ablations import ABLATIONS, COMPLETE, ablation
from train.config import TrainConfig
from train.run import steps
from train.run.resolved import resolve
from train.run.stages import STAGES


def inverse(fnet, change=COMPLETE):
    """The IFNet that is trained with an FNet."""
    return STAGES["stage1"].networks(fnet, change)["ifnet"]


IMAGE = np.zeros((1, 8, 8, 1), np.float32)
BLOCK = 81 * 64
DECODERS = 5 * BLOCK
SMALL = {"features": 4, "kernel_size": 3, "iterations": 1}
# Per channel of a block's input: filters; then scalars. FNet's blocks read four channels together.
PARAMETERS = {
    "AE1": 4 * 2 * BLOCK + 3 * 64 + DECODERS,
    "AE3": 4 * 5 * BLOCK + 3 * 4 + DECODERS,
    "AE4": 4 * 13 * BLOCK + 3 * 2 + DECODERS,
    "AE5": 4 * 13 * BLOCK + 3 * 4 + DECODERS,
    "AE6": 4 * 13 * BLOCK + 3 * 4 + DECODERS,
    "AE9": 4 * 14 * BLOCK + 3 * 4 + DECODERS,
    "AE10": 4 * 24 * BLOCK + 3 * 4 + DECODERS,
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_number_of_parameters(name):
    fnet = FNet(**ABLATIONS[name].network)
    fnet.check()
    params = jax.eval_shape(fnet.init, jax.random.key(0), IMAGE, IMAGE)
    assert sum(x.size for x in jax.tree.leaves(params)) == PARAMETERS.get(name, 419_916)


@pytest.mark.parametrize("name", ABLATIONS)
def test_number_of_parameters_of_ifnet(name):
    ifnet = inverse(FNet(**ABLATIONS[name].network), ABLATIONS[name])
    params = jax.eval_shape(ifnet.init, jax.random.key(0), IMAGE)
    # Two blocks of one channel each and their decoders, where FNet's blocks read four together.
    if name in PARAMETERS:
        scalars = {"AE1": 64, "AE4": 2}.get(name, 4)
        filters = (PARAMETERS[name] - 3 * scalars - DECODERS) // 4
        expected = 2 * (filters + scalars + BLOCK)
    else:
        expected = 207_368
    assert sum(x.size for x in jax.tree.leaves(params)) == expected


def test_there_are_the_papers_fifteen_and_each_differs():
    assert list(ABLATIONS) == [f"AE{n}" for n in range(1, 16)]
    changes = [(str(a.network), str(a.ifnet), a.stage1, a.without) for a in (*ABLATIONS.values(),)]
    assert len(set(changes)) == 15
    assert ablation(None).network == {}


def test_what_the_paper_says_of_each():
    fnet = FNet(**ABLATIONS["AE12"].network)
    assert fnet == FNet()
    assert inverse(fnet, ABLATIONS["AE12"]).threshold == "soft"
    assert inverse(FNet(**ABLATIONS["AE2"].network)).threshold == "soft"
    assert FNet(**ABLATIONS["AE7"].network).alpha == 0.9
    assert FNet(**ABLATIONS["AE8"].network).gamma == 50
    assert not ABLATIONS["AE11"].stage1
    assert [ABLATIONS[f"AE{n}"].without for n in (13, 14, 15)] == [
        ("intensity",),
        ("gradient",),
        ("ssim",),
    ]


@pytest.mark.parametrize(("name", "stage"), [("AE1", "stage2"), ("AE12", "stage1")])
def test_steps_lower_the_loss(name, stage, rng):
    """A few steps of Adam on one batch; the blocks' own gradients are tested where they are."""
    config = TrainConfig(Path("runs"), ablation=name, init="tied", **SMALL)
    resolved = resolve(STAGES[stage], config)
    pair = np.float32(rng.uniform(size=(2, 2, 16, 16, 1)))
    optimizer = steps.make_optimizer(1e-3)
    state = steps.create(resolved.params, optimizer)
    step = jax.jit(steps.make_step(resolved.loss, optimizer, ema_decay=0.9))
    losses = []
    for _ in range(4):
        state, metrics = step(state, *pair)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0]


def losses(stage, name, params, pair):
    """The metrics of a stage's loss on one pair, of an experiment or of FNet."""
    change = ablation(name)
    fnet = FNet(**{**SMALL, **change.network})
    return jax.jit(STAGES[stage].loss(fnet, change))(params, *pair)[1]


def test_the_change_of_an_experiment_reaches_its_loss(rng):
    pair = [np.float32(rng.random((1, 16, 16, 1))) for _ in range(2)]
    fnet, ifnet = (
        initial_params(network, 1, method="xavier")
        for network in (FNet(**SMALL), inverse(FNet(**SMALL)))
    )
    complete = losses("stage2", None, {"fnet": fnet}, pair)
    terms = {f"loss/{term}" for term in ("intensity", "gradient", "ssim")}
    assert terms <= complete.keys()
    for name, term in (("AE13", "intensity"), ("AE14", "gradient"), ("AE15", "ssim")):
        found = losses("stage2", name, {"fnet": fnet}, pair)
        assert terms - found.keys() == {f"loss/{term}"}
        rest = complete["loss"] - complete[f"loss/{term}"]
        np.testing.assert_allclose(found["loss"], rest, rtol=1e-5)
    # AE12: FNet's own fused image, and an IFNet of the same parameters with soft thresholds.
    If, _ = jax.jit(FNet(**SMALL).apply)(fnet, *pair)
    again, _ = jax.jit(IFNet(**SMALL, threshold="soft").apply)(ifnet, If)
    expected = float(jax.jit(stage1)(*pair, *again)[0])
    both = {"fnet": fnet, "ifnet": ifnet}
    assert losses("stage1", "AE12", both, pair)["loss"] == pytest.approx(expected, rel=1e-5)
    assert losses("stage1", None, both, pair)["loss"] != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["AE1", "AE3"])
def test_a_tied_start_averages(name, rng):
    """As the paper's FNet does from there; see the test of fnet_jax.networks.start."""
    image = np.float32(rng.uniform(0.3, 0.7, size=(1, 24, 24, 1)))
    fnet = FNet(**ABLATIONS[name].network | {"features": 32, "kernel_size": 5})
    If, _ = jax.jit(fnet.apply)(initial_params(fnet, 0), image, image)
    assert np.abs(If - image)[:, 8:-8, 8:-8].mean() < 0.2
    assert np.abs(If).max() < 2
