"""The networks, loss, optimizer and initial weights of a configuration, resolved once per run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optax

from fnet_jax.cli.flags import flag_of
from fnet_jax.errors import InputError, reason
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.network import Network
from fnet_jax.networks.start import METHODS, initial_params
from fnet_jax.weights import checkpoints
from train.ablations import ABLATIONS, Ablation, ablation
from train.config import SIZES, TrainConfig, differences
from train.run import steps, teachers
from train.run.stages import Stage
from train.run.teachers import Teacher


@dataclass(frozen=True)
class Resolved:
    """A run's networks, loss, optimizer and initial weights.

    Attributes:
        stage: the stage.
        config: the configuration, with all options resolved that need no file.
        networks: the networks that are trained, by name: ``fnet``, and in stage I ``ifnet``.
        loss: loss of the stage, with the changes of an experiment and the distance to a teacher.
        measured: loss for validation pairs, which is that of the stage without a teacher.
        teacher: the network that is imitated, or None.
        schedule: the learning rate as a function of the step.
        optimizer: turns gradients into updates.
        params: initial parameters; of a run that continues only their structure is used.
        origin: their origin, in words.
    """

    stage: Stage
    config: TrainConfig
    networks: Mapping[str, Network]
    loss: steps.Loss
    measured: steps.Loss
    teacher: Teacher | None
    schedule: optax.Schedule
    optimizer: optax.GradientTransformation
    params: steps.Params
    origin: str

    @property
    def fnet(self) -> FNet:
        """The network that is evaluated."""
        fnet = self.networks["fnet"]
        assert isinstance(fnet, FNet)
        return fnet


def resolve(
    stage: Stage, config: TrainConfig, *, before: Mapping[str, Any] | None = None
) -> Resolved:
    """Resolves the configuration of a run.

    Args:
        stage: the stage.
        config: its flags. ``init`` is a method or the path of a checkpoint of FNet; None is the
            method ``tied`` in stage I, and in stage II the checkpoint of stage I in the workdir.
        before: the record of the run to continue (:func:`train.run.record.previous`), whose network
            and initial weights are used; None for a new run.

    Raises:
        InputError: the stage does not have this experiment, settings are out of range or contradict
            each other or the initial checkpoint, that checkpoint or the teacher is missing or
            damaged, or the run to continue had another configuration.
    """
    change = ablation(config.ablation)
    if stage.inverts and not change.stage1:
        raise InputError(
            f"--ablation {config.ablation} has no stage I; use it with python -m train.stage2"
        )
    if stage.inverts and config.teacher:
        raise InputError("--teacher is an option of stage II only; omit it")
    teacher = teachers.find(
        config.teacher, weight=config.teacher_weight, parts_weight=config.teacher_parts
    )
    named = _named(config, change)
    fnet = FNet.of(change.network | named)
    alone = stage.inverts or not change.stage1  # no stage before it
    config = dataclasses.replace(config, init=config.init or ("tied" if alone else None))
    if config.init in METHODS:
        sizes: dict[str, Any] = {name: getattr(fnet, name) for name in SIZES}
        config = dataclasses.replace(config, **sizes)
    else:
        config = dataclasses.replace(
            config, **{name: value for name, value in change.network.items() if name in SIZES}
        )
    method = config.init if config.init in METHODS else "tied"
    params: steps.Params = {}
    if before is not None:
        if differing := differences(before["config"], config.recorded()):
            raise InputError(
                f"{config.workdir / stage.name} has a run with another configuration: "
                f"{'; '.join(differing)}; use the flags it was started with, or another --workdir"
            )
        try:
            fnet, origin = FNet.of(before["network"]), before["origin"]
        except ValueError as error:
            raise InputError(
                f"{config.workdir / stage.name} has a run with an unknown network ({error}); "
                f"continue with the version that began it, or use another --workdir"
            ) from error
        method = "xavier"  # the fastest
    elif config.init in METHODS:
        origin = f"from scratch ({config.init})"
    else:
        path = _checkpoint(config)
        fnet, params["fnet"], meta = checkpoints.load(path, FNet)
        _check_source(path, meta["source"])
        _check_beginning(path, meta["source"], config.ablation)
        _check_settings(path, fnet, change.network | named, config, change)
        origin = f"from {path}{_unfinished(meta['source'])}"
    networks = stage.networks(fnet, change)
    for number, (name, network) in enumerate(networks.items()):
        if name not in params:
            params[name] = initial_params(network, config.seed + number, method=method)
    schedule = steps.learning_rate(
        config.lr, warmup=config.warmup, falls_until=config.steps if config.cosine else None
    )
    return Resolved(
        stage=stage,
        config=config,
        networks=networks,
        loss=stage.loss(fnet, change, teacher=teacher),
        measured=stage.loss(fnet, change),
        teacher=teacher,
        schedule=schedule,
        optimizer=steps.make_optimizer(schedule, clip=config.clip),
        params=params,
        origin=origin,
    )


def _named(config: TrainConfig, change: Ablation) -> dict[str, Any]:
    """The sizes that flags name, checked for their range and against the experiment."""
    values = {name: getattr(config, name) for name in SIZES}
    named = {name: value for name, value in values.items() if value is not None}
    for name, value in named.items():
        try:
            FNet.of({name: value})
        except ValueError as error:
            raise InputError(
                f"{str(error).replace(name, flag_of(name), 1)}; use another value"
            ) from error
        if change.network.get(name, value) != value:
            raise InputError(
                f"{flag_of(name)} {value}: --ablation {config.ablation} has "
                f"{change.network[name]}; omit one of them"
            )
    return named


def _checkpoint(config: TrainConfig) -> Path:
    """The checkpoint with the initial parameters of FNet."""
    if config.init is None:
        folder = config.workdir / "stage1"
        if not checkpoints.steps(folder / checkpoints.RUN_FOLDER):
            raise InputError(
                f"{folder} has no checkpoint to start from; run python -m train.stage1 --workdir "
                f"{config.workdir} first, or use --init"
            )
        return checkpoints.find(folder)
    try:
        is_folder = Path(config.init).is_dir()
    except OSError as error:
        raise InputError(f"--init {config.init}: {reason(error)}; use a readable folder") from error
    if not is_folder:
        raise InputError(
            f"--init {config.init} is neither {' nor '.join(METHODS)} nor the folder of a "
            f"checkpoint; use one of these"
        )
    return checkpoints.find(Path(config.init))


def _check_settings(
    path: Path, fnet: FNet, wanted: Mapping[str, Any], config: TrainConfig, change: Ablation
) -> None:
    """Raises InputError if a checkpoint's network is not the one that flags ask for."""
    for name, value in wanted.items():
        if (found := getattr(fnet, name)) == value:
            continue
        by_experiment = name in change.network
        setting = name if by_experiment else flag_of(name)
        culprit = f"--ablation {config.ablation}" if by_experiment else "the flag"
        raise InputError(
            f"the network in {path} has {setting} {found}, not {value}; omit {culprit}"
        )


def _check_source(path: Path, source: Mapping[str, Any]) -> None:
    """Raises InputError if the training record of a checkpoint is unknown."""
    if source.get("kind") != "training":
        return
    config = source.get("config")
    known = (
        isinstance(config, dict)
        and config.get("ablation") in (None, *ABLATIONS)
        and all(type(steps) is int for steps in (source.get("step"), config.get("steps")))
    )
    if not known:
        raise InputError(f"{path} has an unknown training record; use another --init")


def _check_beginning(path: Path, source: Mapping[str, Any], named: str | None) -> None:
    """Raises InputError unless an experiment begins like the one of a checkpoint.

    Only experiments that change nothing but the loss of stage II begin like FNet.
    """
    trained_as = source["config"].get("ablation") if source.get("kind") == "training" else None
    before, now = ablation(trained_as), ablation(named)
    if source.get("stage") == "stage1":  # no experiment changes its loss
        before = dataclasses.replace(before, without=())
    begin = dataclasses.replace(now, title=before.title, without=())
    if trained_as != named and before != begin:
        remedy = f"use --ablation {trained_as}" if trained_as else "omit --ablation"
        raise InputError(
            f"{path} was trained as {trained_as or 'FNet'}, and {named or 'FNet'} begins "
            f"differently; {remedy}, or use another --init"
        )


def _unfinished(source: Mapping[str, Any]) -> str:
    if source.get("kind") != "training":
        return ""
    done, wanted = source["step"], source["config"]["steps"]
    return f", which stopped at step {done:,} of {wanted:,}" if done < wanted else ""
