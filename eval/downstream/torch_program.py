"""Trainings by a program of :mod:`.programs`: its job in a file, what it says in lines of JSON."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.downstream import process
from eval.downstream.training import Job
from fnet_jax.artifacts.files import read_text, replace_text, writable
from fnet_jax.artifacts.progress import Report

DONE = "done.json"


@dataclass(frozen=True)
class TorchProgram:
    """One of the programs.

    Attributes:
        path: of its file.
        what: its name, for messages.
        environment: variables that it gets beside ours.
        threads: of a CPU; None for all.
    """

    path: Path
    what: str
    environment: Mapping[str, str]
    threads: int | None = None

    def train(self, job: Job, settings: Callable[[], Mapping[str, Any]], say: Report) -> None:
        """Trains a model, or goes on; nothing if it is done.

        Args:
            job: what is trained on; its folder gets all that is made.
            settings: gives what this program needs beside it, as JSON values.
            say: is called with a line for each epoch.

        Raises:
            InputError: the program fails.
        """
        if (job.folder / DONE).exists():
            return
        given = settings()
        with writable(job.folder, remedy="use another --out"):
            job.folder.mkdir(parents=True, exist_ok=True)
        with process.alone(job.folder, say=say) as keep:
            if not (job.folder / DONE).exists():  # by another one, meanwhile
                more = {**given, "train": list(job.split.train)}
                for line in self._lines(job, "job.json", more, keep):
                    _progress(line, say)

    def apply(self, job: Job, settings: Mapping[str, Any], images: Path, out: Path) -> None:
        """Applies the trained model of a job to other images of the scenes that test.

        Args:
            job: that is done.
            settings: as of :meth:`train`, but not of the training.
            images: folder with NAME.png.
            out: folder for what is found; nothing is done if it is there.

        Raises:
            InputError: the program fails.
        """
        if not (out / DONE).exists():
            apply = {"images": str(images.absolute()), "out": str(out.absolute())}
            for _ in self._lines(job, "apply.json", {**settings, "apply": apply}):
                pass
            replace_text(out / DONE, "{}\n")

    def losses(self, job: Job) -> list[float]:
        """The training loss of each epoch."""
        lines = read_text(job.folder / "epochs.jsonl").splitlines()
        return [float(json.loads(line)["loss"]) for line in lines]

    def _lines(
        self, job: Job, name: str, settings: Mapping[str, Any], keep: Sequence[int] = ()
    ) -> Iterator[str]:
        """Runs the program, and gives the lines that it prints."""
        shared = {
            "images": str(job.images.absolute()),
            "test": list(job.split.test),
            "classes": len(job.scenes.classes),
            "epochs": job.budget.epochs,
            "batch": job.budget.batch,
            "rate": job.budget.rate,
            "side": job.budget.side,
            "seed": job.seed,
            "folder": str(job.folder.absolute()),
            "threads": self.threads,
        }
        replace_text(job.folder / name, json.dumps({**shared, **settings}, indent=1) + "\n")
        return process.lines(
            [job.python.absolute(), self.path, name],
            job.folder,
            what=self.what,
            environment={"PYTHONPATH": "", "PYTHONSAFEPATH": "", **self.environment},
            keep=keep,
        )


def _progress(line: str, say: Report) -> None:
    if line.startswith('{"epoch"'):
        found = json.loads(line)
        say(
            f"epoch {found['epoch']} of {found['of']}, loss {found['loss']:.4f}, "
            f"{found['seconds']:.0f} s"
        )
