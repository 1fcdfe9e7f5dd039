"""Distillation: learning what another network makes of the same pairs."""

import json

import jax
import numpy as np
import pytest
from command import TINY, flags
from small_stages import FNET, LOSSES, fresh

from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params
from fnet_jax.weights import checkpoints
from train.config import TrainConfig
from train.run import loop, steps, teachers
from train.run.stages import STAGES
from train.run.teachers import Teacher

BIG = FNet(features=6, iterations=1, kernel_size=5)


def teacher(network=BIG, *, seed=7, weight=20.0, parts=5.0):
    return Teacher(network, initial_params(network, seed, method="xavier"), weight, parts)


def train(workdir, text="", stage="stage2"):
    words = flags([*TINY, "--init=tied"], *text.split())
    config = parse(TrainConfig, ["--workdir", str(workdir), *words])
    return loop.train(STAGES[stage], config)


@pytest.fixture
def taught_by(tmp_path):
    """The folder of a checkpoint to learn from."""
    path = tmp_path / "teacher"
    checkpoints.save(path, BIG, teacher().params)
    return path


def test_nobody_is_far_from_itself(batches):
    own = teacher(FNET)
    # Both have their parameters from outside of the program: the same sums, not folded for one.
    _, metrics, alone = jax.jit(
        lambda *pair: (
            *steps.stage2_loss(FNET, teacher=own)({"fnet": own.params}, *pair),
            LOSSES["stage2"]({"fnet": own.params}, *pair)[1],
        )
    )(*batches[0])
    assert float(metrics["loss/teacher"]) == float(metrics["loss/teacher_parts"]) == 0
    assert float(metrics["loss"]) == pytest.approx(float(alone["loss"]), rel=1e-6)


def test_terms_are_the_weighed_distances(batches):
    other, params = teacher(), initial_params(FNET, 0)
    loss = steps.stage2_loss(FNET, teacher=other)
    total, metrics = jax.jit(loss)({"fnet": params}, *batches[0])
    _, found = jax.jit(FNET.apply)(params, *batches[0])
    _, taught = jax.jit(BIG.apply)(other.params, *batches[0])
    far = {n: float(np.abs(found[n] - taught[n]).mean()) for n in ("If", "If_u1", "If_u2", "If_c")}
    # Sums of a few thousand values in float32.
    terms = {n: float(x) for n, x in metrics.items() if n.startswith("loss/")}
    assert terms["loss/teacher"] == pytest.approx(20 * far.pop("If"), rel=1e-4)
    assert terms["loss/teacher_parts"] == pytest.approx(5 * sum(far.values()), rel=1e-4)
    assert float(total) == pytest.approx(sum(terms.values()), rel=1e-6)


def test_a_weight_of_0_is_no_term(batches):
    loss = steps.stage2_loss(FNET, teacher=teacher(parts=0.0))
    _, metrics = jax.jit(loss)({"fnet": initial_params(FNET, 0)}, *batches[0])
    assert {n for n in metrics if "teacher" in n} == {"loss/teacher"}


def test_it_is_learned(batches):
    optimizer = steps.make_optimizer(steps.learning_rate(3e-3))
    params = initial_params(BIG, 7)["params"]  # that fuse the mean of both images
    darker = {n: x / 2 if n.startswith("G_") else x for n, x in params.items()}
    loss = steps.stage2_loss(FNET, teacher=Teacher(BIG, {"params": darker}, 2000.0, 0.0))
    step = jax.jit(steps.make_step(loss, optimizer, ema_decay=0.9))
    state = fresh("stage2", optimizer)
    seen = []
    for _ in range(40):
        state, metrics = step(state, *batches[0])
        seen.append(float(metrics["loss/teacher"]))
    assert np.mean(seen[-5:]) < 0.7 * seen[0]


@pytest.mark.slow  # several networks are compiled
def test_a_run_learns_it_and_is_measured_without(tmp_path, taught_by):
    result = train(tmp_path / "run", f"--steps=4 --teacher={taught_by} --teacher-parts=1")
    assert result.finished
    lines = (tmp_path / "run/stage2/metrics.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines]
    learned = [point for point in points if "loss" in point]
    measured = [point for point in points if "validation_loss" in point]
    assert all({"loss/teacher", "loss/teacher_parts"} <= point.keys() for point in learned)
    assert measured
    for point in measured:
        terms = {n: x for n, x in point.items() if n.startswith("validation_loss/")}
        assert len(terms) == 3  # of eq. 26
        assert point["validation_loss"] == pytest.approx(sum(terms.values()), rel=1e-5)
    record = json.loads((tmp_path / "run/stage2/config.json").read_text())
    assert record["teacher"]["network"]["features"] == 6


def test_a_run_goes_on_with_the_same_teacher_only(tmp_path, taught_by):
    call = f"--teacher={taught_by} --steps="
    assert train(tmp_path / "run", f"{call}2").finished
    moved = taught_by.rename(tmp_path / "moved")
    assert train(tmp_path / "run", f"--teacher={moved} --steps=3 --resume").finished
    checkpoints.save(taught_by, BIG, teacher(seed=8).params)
    with pytest.raises(InputError, match="was trained with another teacher; use the --teacher"):
        train(tmp_path / "run", f"{call}4 --resume")
    with pytest.raises(InputError, match="was trained with another teacher; use the --teacher"):
        train(tmp_path / "run", "--steps=4 --resume")


def test_shipped_sizes_teach(tmp_path):
    found = teachers.find("base", weight=1.0, parts_weight=0.0)
    assert found.network.settings() == FNet().settings()


@pytest.mark.parametrize(
    ("stage", "text", "words"),
    [
        ("stage1", "--teacher=base", "option of stage II only"),
        ("stage2", "--teacher=nowhere", "neither a size"),
        ("stage2", "--teacher=base --teacher-weight=0", "--teacher has only weights of 0"),
        ("stage2", "--teacher-parts=1", "--teacher-parts has no effect without --teacher"),
    ],
)
def test_what_cannot_be_is_named(tmp_path, stage, text, words):
    with pytest.raises(InputError, match=words):
        train(tmp_path / "run", text, stage)
    assert not (tmp_path / "run").exists()
