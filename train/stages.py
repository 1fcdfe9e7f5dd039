"""The two stages of training: which networks, which loss, and where each starts."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_jax import checkpoints, initial
from fnet_jax.errors import InputError
from fnet_jax.fnet import FNet
from fnet_jax.ifnet import IFNet
from train import steps
from train.config import TrainConfig

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

    def loss(self, fnet: FNet) -> steps.Loss:
        """The stage's loss for an FNet; IFNet has the same settings."""
        if self.name == "stage1":
            return steps.stage1_loss(fnet, IFNet(**fnet.settings()))
        return steps.stage2_loss(fnet)


STAGES = {
    "stage1": Stage(
        "stage1", "FNet and IFNet from each other's results (eq. 25)", ("fnet", "ifnet")
    ),
    "stage2": Stage("stage2", "FNet for fused images that keep the most (eq. 26)", ("fnet",)),
}


def resolved(stage: Stage, config: TrainConfig) -> TrainConfig:
    """The configuration with what it leaves open filled in, as far as no file is needed for it."""
    init = config.init or ("tied" if stage.name == "stage1" else None)
    settings = settings_of(config)
    if init in initial.METHODS:
        settings = {name: getattr(FNet(), name) for name in SETTINGS} | settings
    return dataclasses.replace(config, init=init, **settings)


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The network's settings that the configuration names."""
    values = {name: getattr(config, name) for name in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


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
    init = config.init or str(config.workdir / "stage1")
    if init in initial.METHODS:
        fnet = network(settings_of(config))
        params = {"fnet": initial.make(fnet, config.seed, method=init)}
        line = f"from nothing ({init})"
    else:
        if config.init is None and not checkpoints.steps(Path(init) / checkpoints.RUN_FOLDER):
            raise InputError(
                f"{init}: has no checkpoint to start from; run python -m train.stage1 --workdir "
                f"{config.workdir} first, or give --init"
            )
        if not Path(init).is_dir():
            raise InputError(
                f"--init {init}: is neither {' nor '.join(initial.METHODS)} nor the folder of a "
                f"checkpoint; give one of those"
            )
        path = checkpoints.find(Path(init))
        loaded, values, meta = checkpoints.load(path)
        assert isinstance(loaded, FNet)
        fnet, params = loaded, {"fnet": values}
        for name, value in settings_of(config).items():
            if getattr(fnet, name) != value:
                raise InputError(
                    f"{path}: its network has --{name.replace('_', '-')} {getattr(fnet, name)}, "
                    f"not {value}; leave the flag out"
                )
        line = f"from {path}{_unfinished(meta)}"
    if "ifnet" in stage.networks:
        method = init if init in initial.METHODS else "tied"
        ifnet = IFNet(**fnet.settings())
        params["ifnet"] = initial.make(ifnet, config.seed + 1, method=method)
    return fnet, params, line


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
