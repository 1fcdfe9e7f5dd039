"""Runs a program of :mod:`.programs`: its job is a file, its output lines of JSON."""

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
        path: its file.
        what: its name, for messages.
        environment: variables in addition to ours.
        threads: CPU threads; None for all.
    """

    path: Path
    what: str
    environment: Mapping[str, str]
    threads: int | None = None

    def train(self, job: Job, settings: Callable[[], Mapping[str, Any]], say: Report) -> None:
        """Trains a model or continues; does nothing if it is finished.

        ``settings`` returns further settings of this program, as JSON values; ``say`` is called
        with a line for each epoch. Raises InputError if the program fails.
        """
        if (job.folder / DONE).exists():
            return
        given = settings()
        with writable(job.folder, remedy="use another --out"):
            job.folder.mkdir(parents=True, exist_ok=True)
        with process.alone(job.folder, say=say) as keep:
            if not (job.folder / DONE).exists():  # another process may have finished it
                more = {**given, "train": list(job.split.train)}
                for line in self._lines(job, "job.json", more, keep):
                    _progress(line, say)

    def apply(self, job: Job, settings: Mapping[str, Any], images: Path, out: Path) -> None:
        """Applies the trained model of a job to other images (NAME.png) of the test scenes.

        Nothing is done if ``out`` exists. Raises InputError if the program fails.
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
        """Runs the program and yields the lines that it prints."""
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
