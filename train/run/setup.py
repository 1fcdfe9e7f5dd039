"""Everything that a run needs before it writes anything: configuration, networks and data."""

from dataclasses import dataclass
from pathlib import Path

import jax

from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError
from fnet_jax.weights import checkpoints
from train.config import TrainConfig, check
from train.data import sources
from train.data.sources import TrainingData
from train.run.processes import check_agreement, first_alone, join, together
from train.run.record import Record, check_data, check_teacher, previous, record_of
from train.run.resolved import Resolved, resolve
from train.run.stages import Stage
from train.workdir import check_workdir

OWN = ("process_id", "data", "data_dir", "workers")  # flags that may differ between processes


@dataclass(frozen=True)
class Setup:
    """A run that can begin or be continued.

    Attributes:
        resolved: networks, loss, optimizer and initial weights.
        data: the training data.
        folder: folder of the stage in the workdir.
        before: the record of the run to continue; None for a new run.
        record: the record of this run.
    """

    resolved: Resolved
    data: TrainingData
    folder: Path
    before: Record | None
    record: Record

    @property
    def config(self) -> TrainConfig:
        """The configuration, with all options resolved that need no file."""
        return self.resolved.config

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.folder / checkpoints.RUN_FOLDER


def set_up(
    stage: Stage, config: TrainConfig, *, report: Report, progress: Progress = silent
) -> Setup:
    """Checks a configuration and finds everything that its run needs.

    With several processes, each does this, and all fail if one does.

    Raises:
        InputError: the run cannot begin or be continued.
    """
    check(config)
    check_workdir(config.workdir, stage.name)
    join(config)
    _check_devices(config)
    given = {name: value for name, value in config.recorded().items() if name not in OWN}
    check_agreement(configuration=given)
    folder = config.workdir / stage.name
    before = None
    if not config.dry_run:
        before = together(lambda: previous(folder, resume=config.resume))
    resolved = together(lambda: resolve(stage, config, before=before))
    data = _find_data(config, report, progress)
    report(f"training on {data.title}")
    check_agreement(data=data.described())
    teacher = resolved.teacher.described() if resolved.teacher else None
    check_agreement(teacher=teacher)
    if before is not None:
        check_data(folder, before, data.described())
        check_teacher(folder, before, teacher)
    report(f"{stage.name}: {stage.title}, {resolved.origin}")
    record = record_of(
        resolved.config,
        resolved.fnet,
        data.described(),
        stage=stage.name,
        origin=resolved.origin,
        teacher=teacher,
    )
    return Setup(resolved, data, folder, before, record)


def _check_devices(config: TrainConfig) -> None:
    devices = jax.device_count()
    if config.batch % devices:
        fitting = max(devices, config.batch // devices * devices)
        raise InputError(
            f"--batch {config.batch} cannot be divided over {devices} devices; use a multiple of "
            f"{devices}, such as {fitting}"
        )


def _find_data(config: TrainConfig, report: Report, progress: Progress) -> TrainingData:
    """The data; a folder that must be prepared first is prepared by the first process alone."""

    def find() -> TrainingData:
        return sources.find(
            config.data,
            split=config.split,
            data_dir=config.data_dir,
            crop=config.crop,
            validation=config.validation,
            workdir=config.workdir,
            readers=max(1, config.workers),
            report=report,
            progress=progress,
        )

    found = first_alone(find)
    return together(lambda: found or find())
