"""The result of a call of ``train``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fnet_jax.weights import checkpoints


@dataclass(frozen=True)
class Result:
    """The result of a call of :func:`train.run.loop.train`.

    Attributes:
        folder: folder of the stage.
        began: number of steps that were done before.
        steps: number of steps done.
        wanted: number of steps asked for.
        course: the known validation losses of the whole run, by step.
        checkpoint: the newest checkpoint; None if there is none.
        best_checkpoint: the checkpoint with the smallest validation loss; None if unknown.
        stopped_by: return value of ``stop``, such as ``"SIGTERM"``; None if nothing stopped it.
    """

    folder: Path
    began: int
    steps: int
    wanted: int
    course: Mapping[int, float]
    checkpoint: Path | None
    best_checkpoint: Path | None
    stopped_by: str | None

    @classmethod
    def of(
        cls,
        folder: Path,
        *,
        began: int,
        steps: int,
        wanted: int,
        course: Mapping[int, float],
        stopped_by: str | None = None,
    ) -> "Result":
        """The result with the checkpoints that are in the folder now."""
        saved = checkpoints.steps(folder / checkpoints.RUN_FOLDER)
        known = [step for step in saved if step in course]
        return cls(
            folder=folder,
            began=began,
            steps=steps,
            wanted=wanted,
            course=dict(course),
            checkpoint=saved[max(saved)] if saved else None,
            best_checkpoint=saved[min(known, key=course.__getitem__)] if known else None,
            stopped_by=stopped_by,
        )

    @classmethod
    def nothing_done(cls, folder: Path, *, wanted: int, stopped_by: str) -> "Result":
        """The result of a call that was stopped before it read the run in the folder."""
        done = max(checkpoints.steps(folder / checkpoints.RUN_FOLDER), default=0)
        return cls.of(
            folder, began=done, steps=done, wanted=wanted, course={}, stopped_by=stopped_by
        )

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.steps >= self.wanted

    @property
    def validation_loss(self) -> float | None:
        """The last validation loss; None if none is known."""
        return self.course[max(self.course)] if self.course else None

    @property
    def best_validation_loss(self) -> float | None:
        """The smallest validation loss; None if none is known."""
        return min(self.course.values(), default=None)
