"""The two stages of training: which networks, which loss, and where each starts."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.network import Network
from fnet_jax.networks.start import METHODS, initial_params
from fnet_jax.weights import checkpoints
from train.ablations import COMPLETE, Ablation, ablation
from train.config import TrainConfig
from train.run import steps

SETTINGS = ("features", "iterations", "kernel_size")


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    Attributes:
        name: ``"stage1"`` or ``"stage2"``, also of its folder in the workdir.
        title: what it does.
        networks: the networks that it trains, by their place in the parameters.
    """

    name: str
    title: str
    networks: tuple[str, ...]

    def loss(self, fnet: FNet, change: Ablation = COMPLETE) -> steps.Loss:
        """The stage's loss for an FNet, with what an experiment changes in it."""
        if self.name == "stage1":
            return steps.stage1_loss(fnet, inverse(fnet, change))
        return steps.stage2_loss(fnet, without=change.without)

    def trained(self, fnet: FNet, change: Ablation = COMPLETE) -> list[Network]:
        """The networks that the stage trains."""
        return [fnet, inverse(fnet, change)] if "ifnet" in self.networks else [fnet]

    def params(
        self, fnet: FNet, *, seed: int, method: str, change: Ablation = COMPLETE
    ) -> steps.Params:
        """Parameters of the stage's networks before training; :mod:`fnet_jax.networks.start`."""
        params = {"fnet": initial_params(fnet, seed, method=method)}
        if "ifnet" in self.networks:
            params["ifnet"] = initial_params(inverse(fnet, change), seed + 1, method=method)
        return params


def inverse(fnet: FNet, change: Ablation = COMPLETE) -> IFNet:
    """The IFNet that goes with an FNet: of the same settings, but what an experiment changes."""
    return IFNet(**fnet.settings() | change.ifnet)


STAGES = {
    "stage1": Stage(
        "stage1", "FNet and IFNet from each other's results (eq. 25)", ("fnet", "ifnet")
    ),
    "stage2": Stage("stage2", "FNet for fused images that keep the most (eq. 26)", ("fnet",)),
}


def resolved(stage: Stage, config: TrainConfig) -> TrainConfig:
    """The configuration with what it leaves open filled in, as far as no file is needed for it."""
    change = ablation(config.ablation)
    first = stage.name == "stage1"
    if first and not change.stage1:
        raise InputError(
            f"--ablation {config.ablation}: has no stage I; run python -m train.stage2 with it"
        )
    init = config.init or ("tied" if first or not change.stage1 else None)
    settings = settings_of(config)
    if init in METHODS:
        settings = {name: getattr(FNet(), name) for name in SETTINGS} | settings
    sizes: dict[str, Any] = {name: settings.get(name) for name in SETTINGS}
    return dataclasses.replace(config, init=init, **sizes)


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The network's settings that the configuration names, by flag or by experiment.

    Raises:
        InputError: the two contradict each other.
    """
    values = {name: getattr(config, name) for name in SETTINGS}
    named = {name: value for name, value in values.items() if value is not None}
    changed = ablation(config.ablation).network
    for name, value in named.items():
        if changed.get(name, value) != value:
            raise InputError(
                f"--{name} {value}: --ablation {config.ablation} has {changed[name]}; "
                f"leave one of them out"
            )
    return changed | named


def start(stage: Stage, config: TrainConfig) -> tuple[FNet, steps.Params, str]:
    """What a stage starts from.

    Args:
        stage: which.
        config: what :func:`resolved` returns, whose ``init`` says how: a method, or a checkpoint of
            FNet; None means stage I of the same workdir.

    Returns:
        FNet, the parameters of the stage's networks, and a line that says where they come from.

    Raises:
        InputError: there is no such checkpoint, it is damaged, or its network is another than the
            configuration names.
    """
    change = ablation(config.ablation)
    init = config.init or str(config.workdir / "stage1")
    if init in METHODS:
        fnet = network(settings_of(config))
        params = stage.params(fnet, seed=config.seed, method=init, change=change)
        line = f"from nothing ({init})"
    else:
        if config.init is None and not checkpoints.steps(Path(init) / checkpoints.RUN_FOLDER):
            raise InputError(
                f"{init}: has no checkpoint to start from; run python -m train.stage1 --workdir "
                f"{config.workdir} first, or give --init"
            )
        if not Path(init).is_dir():
            raise InputError(
                f"--init {init}: is neither {' nor '.join(METHODS)} nor the folder of a "
                f"checkpoint; give one of those"
            )
        path = checkpoints.find(Path(init))
        loaded, values, meta = checkpoints.load(path)
        assert isinstance(loaded, FNet)
        fnet = loaded
        trained_as = meta["source"].get("config", {}).get("ablation")
        _check_beginning(path, meta["source"].get("stage"), trained_as, config.ablation)
        for name, value in settings_of(config).items():
            if (found := getattr(fnet, name)) != value:
                given = name not in change.network
                setting = f"--{name.replace('_', '-')}" if given else name
                flag = "the flag" if given else f"--ablation {config.ablation}"
                raise InputError(
                    f"{path}: its network has {setting} {found}, not {value}; leave {flag} out"
                )
        params = stage.params(fnet, seed=config.seed, method="tied", change=change)
        params["fnet"] = values
        line = f"from {path}{_unfinished(meta)}"
    return fnet, params, line


def _check_beginning(
    path: Path, stage: str | None, trained_as: str | None, named: str | None
) -> None:
    """Raises InputError unless an experiment begins as the one that a checkpoint is of.

    Only those that change nothing but the loss of stage II begin as FNet.
    """
    before, now = ablation(trained_as), ablation(named)
    if stage == "stage1":  # which has no loss that an experiment changes
        before = dataclasses.replace(before, without=())
    begin = dataclasses.replace(now, title=before.title, without=())
    if trained_as != named and before != begin:
        flag = f"--ablation {trained_as}" if trained_as else "no --ablation"
        raise InputError(
            f"{path}: was trained as {trained_as or 'FNet'}, and {named or 'FNet'} begins "
            f"otherwise; give {flag}, or another --init"
        )


def network(settings: dict[str, Any]) -> FNet:
    """An FNet with these settings.

    Raises:
        InputError: they make no network.
    """
    try:
        fnet = FNet(**settings)
        fnet.check()
    except (TypeError, ValueError) as error:
        raise InputError(f"{error}; give other flags") from error
    return fnet


def _unfinished(meta: dict[str, Any]) -> str:
    source = meta["source"]
    if source.get("kind") != "training":
        return ""
    done, wanted = source["step"], source["config"]["steps"]
    return f", which stopped at step {done:,} of {wanted:,}" if done < wanted else ""
