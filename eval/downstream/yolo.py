"""The detector YOLOv5 by ultralytics, called as a separate program and never imported.

Ultralytics is under the AGPL-3.0. It is installed in a separate environment (``make downstream``).
"""

import json
import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

from eval.downstream import coco, process, yolo_files
from eval.downstream.training import Budget, Job
from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.drafts import scratch
from fnet_jax.artifacts.files import read_text, replace_file, replace_folder, replace_text, writable
from fnet_jax.artifacts.progress import Item, Progress, Report, silent
from fnet_jax.errors import InputError

MODEL = "yolov5n.yaml"  # its smallest, with random weights
PACKAGES = ("ultralytics", "torch", "torchvision")
BUDGETS = {
    "paper": Budget("paper", 100, 16, 1e-2, 640),
    "quick": Budget("quick", 12, 16, 1e-2, 320),
}
FIXED = {  # settings that do not depend on the budget
    "optimizer": "SGD",
    "pretrained": False,
    "deterministic": True,
    "amp": False,  # its check would download weights
    "workers": 2,  # they draw the augmentations, which depend on their number
    "patience": 0,  # every training has all its epochs
    "val": False,  # no test image influences which weights are kept
}
SEEN = {"conf": 0.001, "iou": 0.7, "max_det": 300}  # ultralytics' defaults for validation

JOB, DONE = "job.json", "done.json"
FINISHED = "nothing to resume"  # output if a training has all its epochs
SMALLER = "Reducing to batch="  # output if the memory of a GPU is not enough
FONTS = ("Arial.ttf", "Arial.Unicode.ttf")
WHAT = "ultralytics"


@dataclass(frozen=True)
class Yolo:
    """Trains detectors; a :class:`eval.downstream.detect.Finder`."""

    def train(self, job: Job, say: Report) -> Path:
        """As :func:`train`; returns the file of the model's boxes in the test scenes."""

        def progress(items: Iterable[Item], /, *, total: int, desc: str) -> Iterator[Item]:
            for item in items:
                say(f"epoch {item} of {total}")
                yield item

        train(job, say=say, progress=progress)
        return job.folder / coco.PREDICTIONS

    def predict(self, job: Job, images: Path, out: Path) -> Path:
        """As :func:`predict`, unless it is done."""
        found = out / coco.PREDICTIONS
        return found if found.exists() else predict(job, images, out)

    def losses(self, job: Job) -> list[float]:
        """The sum of the losses of each epoch."""
        columns = yolo_files.losses(job.folder)
        parts = [values for name, values in columns.items() if name.startswith("train/")]
        return [sum(values) for values in zip(*parts, strict=True)]


def train(job: Job, *, say: Report = lambda line: None, progress: Progress = silent) -> None:
    """Trains a detector, if that is not done, and predicts boxes in the test scenes.

    The folder of the job gets ``predictions.json`` in COCO's format (:func:`.coco.numbers` of the
    test scenes), ``done.json`` with the versions and the number of starts (1 if it was never
    stopped), and ``run/results.csv`` (:func:`.yolo_files.losses`). Predictions use the weights of
    the last epoch.

    Raises:
        InputError: the data cannot be used, the folder has another training, or the program is
            missing or fails.
    """
    folder = job.folder
    with writable(folder, remedy="use another --out"):
        folder.mkdir(parents=True, exist_ok=True)
        with process.alone(folder, say=say) as keep:
            settings = _settings(job)
            begun = _begun(folder, settings)
            if (folder / DONE).exists():
                return
            tools = process.versions(job.python, PACKAGES)
            if begun is None:
                begun = {**settings, "versions": tools, "starts": 0}
            if begun["versions"] != tools:
                raise InputError(
                    f"{folder} was begun with {_listed(begun['versions'])}, not "
                    f"{_listed(tools)}; use the same versions, or remove the folder"
                )
            begun["starts"] += 1
            replace_text(folder / JOB, _text(begun))
            parts = {"train": job.split.train, "val": job.split.test}
            with replace_folder(folder / "data") as new:
                yolo_files.write(new, job.scenes, parts, job.images, target=folder / "data")
            _learn(job, keep, say, progress)
            found = _find(job, folder / "data", keep)
            coco.write(folder / coco.PREDICTIONS, found)
            replace_text(folder / DONE, _text({"versions": tools, "starts": begun["starts"]}))


def predict(job: Job, images: Path, out: Path) -> Path:
    """Predicts boxes in other images (NAME.png) of the test scenes with a trained detector.

    Returns ``predictions.json`` in ``out``, in COCO's format.

    Raises:
        InputError: the job is not finished, an image cannot be used, or the program fails.
    """
    if not (job.folder / DONE).exists():
        raise InputError(f"{job.folder} has no finished training; train it first")
    with writable(out, remedy="use another --out"):
        out.mkdir(parents=True, exist_ok=True)
        with scratch(out) as place:
            parts = {"train": (), "val": job.split.test}
            yolo_files.write(place, job.scenes, parts, images, target=place)
            coco.write(out / coco.PREDICTIONS, _find(job, place))
    return out / coco.PREDICTIONS


def _settings(job: Job) -> dict[str, Any]:
    """Everything that a training depends on except the versions, as JSON values."""
    scenes = {scene.name: scene for scene in job.scenes.scenes}
    names = (*job.split.train, *job.split.test)
    missing = [name for name in names if name not in scenes]
    if missing:
        raise InputError(f"{job.scenes.title} has no scene {missing[0]}; check --split")
    images = [(name, job.images / f"{name}.png") for name in names]
    for _, path in images:
        if not path.is_file():
            raise InputError(f"{path} does not exist; every scene needs an image")
    return {
        "model": MODEL,
        **FIXED,
        "epochs": job.budget.epochs,
        "batch": job.budget.batch,
        "lr0": job.budget.rate,
        "imgsz": job.budget.side or 640,
        "seed": job.seed,
        "classes": list(job.scenes.classes),
        "split": job.split.sha256,
        "images": provenance.fingerprint(images),
        "truth": provenance.fingerprint((name, scenes[name].truth) for name in names),
    }


def _begun(folder: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a folder's training, or None; raises InputError if it is another training."""
    if not (folder / JOB).exists():
        return None
    try:
        begun = json.loads(read_text(folder / JOB))
        other = [name for name, value in settings.items() if begun[name] != value]
        _ = begun["versions"], begun["starts"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder / JOB} is damaged; remove the folder") from error
    if other:
        raise InputError(
            f"{folder} has a training with other {', '.join(other)}; use another --out, or remove "
            f"the folder"
        )
    return begun


def _learn(job: Job, keep: Sequence[int], say: Report, progress: Progress) -> None:
    """Trains the remaining epochs."""
    last, kept = job.folder / "run/weights/last.pt", job.folder / "kept.pt"
    if not yolo_files.whole(last) and kept.exists():  # stopped while the program wrote it
        with replace_file(last) as file:
            file.write(kept.read_bytes())
    data = {"data": job.folder.absolute() / "data" / yolo_files.DATA}
    values: dict[str, Any]
    if yolo_files.whole(last):
        say(f"{job.folder}: continuing after epoch {yolo_files.epochs(job.folder)}")
        values = {"model": last.absolute(), **data, "resume": True}
    else:
        shutil.rmtree(job.folder / "run", ignore_errors=True)  # it has no weights to continue from
        settings = _settings(job)
        names = ("model", *FIXED, "epochs", "batch", "lr0", "imgsz", "seed")
        values = {name: settings[name] for name in names} | data | _where(job.folder, "run")
    title = f"epochs of {job.folder.name}"
    with closing(_steps(job, values, keep)) as done:  # even if the progress display fails
        for _ in progress(done, total=job.budget.epochs, desc=title):
            pass
    if not yolo_files.whole(last):
        raise InputError(f"{last} was not written; see {job.folder / process.LOG}")


def _steps(job: Job, values: dict[str, Any], keep: Sequence[int]) -> Generator[int, None, None]:
    """Runs a training and yields the number of each epoch when it is done."""
    last, kept = job.folder / "run/weights/last.pt", job.folder / "kept.pt"
    told, written, finished = 0, 0, False
    lines = process.lines(
        _call(job, "train", values),
        job.folder,
        what=WHAT,
        environment=_environment(job.folder),
        keep=keep,
    )
    try:
        for line in lines:
            finished |= FINISHED in line
            if SMALLER in line:
                raise InputError(
                    f"{job.folder / process.LOG}: there is not enough memory for "
                    f"{job.budget.batch} images of {job.budget.side} pixels, and fewer would "
                    f"change the budget; use a larger GPU"
                )
            with suppress(FileNotFoundError):
                now = last.stat().st_mtime_ns
                if now != written and yolo_files.keep_copy(last, kept):
                    written = now
            while told < yolo_files.epochs(job.folder):
                told += 1
                yield told
    except InputError:
        if not finished:
            raise
    finally:
        lines.close()
    yield from range(told + 1, yolo_files.epochs(job.folder) + 1)


def _find(job: Job, data: Path, keep: Sequence[int] = ()) -> list[coco.Entry]:
    """The predictions of the trained model for the part ``val`` of a data folder."""
    with scratch(job.folder) as place:
        values = {
            "model": (job.folder / "run/weights/last.pt").absolute(),
            "data": data.absolute() / yolo_files.DATA,
            "split": "val",
            "save_json": True,
            "batch": job.budget.batch,
            "imgsz": job.budget.side or 640,
            **SEEN,
            **_where(place, "found"),
        }
        lines = process.lines(
            _call(job, "val", values),
            job.folder,
            what=WHAT,
            environment=_environment(job.folder),
            keep=keep,
        )
        for _ in lines:
            pass
        return yolo_files.predictions(
            place / "found" / "predictions.json", job.scenes, job.split.test
        )


def _where(folder: Path, name: str) -> dict[str, Any]:
    return {"project": folder.absolute(), "name": name, "exist_ok": True, "plots": False}


def _call(job: Job, mode: str, values: dict[str, Any]) -> list[str]:
    """The command line of ultralytics' own script, which is beside the interpreter."""
    folder = job.python.absolute().parent
    script = next((p for p in (folder / "yolo", folder / "yolo.exe") if p.is_file()), None)
    if script is None:
        raise InputError(
            f"{folder} has no program yolo beside the interpreter; run make downstream, or use "
            f"another interpreter with --python"
        )
    return [str(script), "detect", mode, *(f"{name}={value}" for name, value in values.items())]


def _environment(folder: Path) -> dict[str, str]:
    """Variables that confine a program to its folder and keep it off the network.

    It asks github.com for missing fonts, offline or not, although nothing is drawn.
    """
    home = folder.absolute() / "config"
    (home / "Ultralytics").mkdir(parents=True, exist_ok=True)
    for name in FONTS:
        if not (home / "Ultralytics" / name).exists():
            font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
            with replace_file(home / "Ultralytics" / name) as file:
                file.write(font.read_bytes())
    return {
        "YOLO_CONFIG_DIR": str(home),
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
        "MPLCONFIGDIR": str(home),
        "MPLBACKEND": "agg",
        "TORCH_HOME": str(home),
        "PYTHONPATH": "",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "WANDB_MODE": "disabled",
        "COMET_MODE": "disabled",
        "ULTRALYTICS_API_KEY": "",
    }


def _listed(tools: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in tools.items())


def _text(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
