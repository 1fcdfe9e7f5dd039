"""The training loop of the programs, which can be stopped and continued.

A program is called as ``python PROGRAM.py JOB.json``. It needs PyTorch, NumPy, Pillow and its own
library, but nothing of this project, so that it can run in a separate environment. The job names
images (NAME.png), training and test scenes, classes, budget, seed and folder. After each epoch the
whole state is saved, and the same call continues from there, on a CPU with the same result. A line
of JSON on standard output reports each epoch. At the end the folder has ``predictions…`` for the
test scenes, and ``done.json`` with the versions that made them.

With ``apply``, a trained model is only applied to other images.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

Job = dict[str, Any]
Loss = Callable[[torch.nn.Module, np.ndarray, np.random.Generator], torch.Tensor]
"""The loss of a model for some scenes, by their indices, with random augmentation."""

WARMUP = 0.05  # share of the steps in which the learning rate rises, before it falls to 0


@dataclass(frozen=True)
class Kind:
    """The differences between the programs.

    Attributes:
        library: its name and version.
        made: returns the model of a job with its initial weights.
        optimizer: makes the optimizer for parameters and a learning rate.
        loss: returns the loss on the training scenes.
        predict: writes the predictions for the test scenes, from images into a folder.
    """

    library: tuple[str, str]
    made: Callable[[Job], torch.nn.Module]
    optimizer: Callable[[Iterable[torch.nn.Parameter], float], torch.optim.Optimizer]
    loss: Callable[[Job, str], Loss]
    predict: Callable[[torch.nn.Module, Job, Path, Path, str], None]


def main(kind: Kind) -> None:
    """Runs the job that the command line names."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder, device = Path(job["folder"]), "cuda" if torch.cuda.is_available() else "cpu"
    if job.get("threads"):
        torch.set_num_threads(job["threads"])
    torch.backends.cudnn.deterministic = True
    torch.manual_seed(job["seed"])
    model = kind.made(job).to(device)
    if apply := job.get("apply"):
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        kind.predict(model, job, Path(apply["images"]), Path(apply["out"]), device)
        return
    begin = time.perf_counter()
    train(kind, model, job, folder, device)
    kind.predict(model, job, Path(job["images"]), folder, device)
    name, version = kind.library
    done = {
        "torch": torch.__version__,
        name: version,
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(time.perf_counter() - begin, 1),
    }
    replace(folder / "done.json", json.dumps(done, indent=1).encode())


def train(kind: Kind, model: torch.nn.Module, job: Job, folder: Path, device: str) -> None:
    """Trains to the last epoch, from the last state in the folder."""
    names, batch, epochs = job["train"], job["batch"], job["epochs"]
    loss = kind.loss(job, device)
    optimizer = kind.optimizer(model.parameters(), job["rate"])
    first, lines = 0, []
    if (folder / "state.pt").exists():
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, lines = state["epoch"], state["lines"]
    steps = len(names) // batch or 1
    for epoch in range(first, epochs):
        begin, dice = time.perf_counter(), np.random.default_rng([job["seed"], epoch])
        torch.manual_seed(job["seed"] * 100_003 + epoch)  # for dropout, among others
        model.train()
        losses = []
        order = dice.permutation(len(names))
        for step in range(steps):
            done = (epoch * steps + step) / (epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = job["rate"] * min(done / WARMUP, 1 - done)
            optimizer.zero_grad()
            value = loss(model, order[step * batch : (step + 1) * batch], dice)
            value.backward()
            optimizer.step()
            losses.append(value.detach())
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise SystemExit(f"the loss of epoch {epoch + 1} is {mean}; use a smaller rate")
        line = {
            "epoch": epoch + 1,
            "of": epochs,
            "loss": mean,
            "seconds": round(time.perf_counter() - begin, 1),
        }
        lines = [*lines, json.dumps(line)]
        replace(folder / "epochs.jsonl", ("\n".join(lines) + "\n").encode())
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
            "lines": lines,
        }
        torch.save(state, folder / "state.pt.part")
        (folder / "state.pt.part").replace(folder / "state.pt")
        print(lines[-1], flush=True)


def read(folder: Path, name: str, mode: str) -> np.ndarray:
    """NAME.png of a folder, which the project has written in this mode."""
    with Image.open(folder / f"{name}.png") as image:
        if image.mode != mode:
            raise SystemExit(f"{folder / name}.png is {image.mode}, not {mode}")
        return np.array(image)


def replace(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
