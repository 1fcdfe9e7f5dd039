"""Trainings of a detector at toy size, and a program that stands in for ultralytics."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from command import ROOT

from eval.downstream.scenes import Scene, SceneSet
from eval.downstream.splits import Split
from eval.downstream.training import Budget, Job
from fnet_jax import images

CLASSES = ("person", "bicycle", "car")
STAND_IN = ROOT / "tests/downstream/stand_in_yolo.py"
HEIGHT, WIDTH = 48, 64
# A number, a number with zeros, and letters that are not ASCII or stand for more in other places.
TEST = ("00012", "7", "x images y", "ä%é")
TRAIN = ("00001", "t1", "t2")


def environment_of(folder, versions):
    """A folder with an interpreter, the program ``yolo``, and packages of these versions."""
    (folder / "bin").mkdir(parents=True)
    for name, number in versions.items():
        info = folder / "site" / f"{name}-{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    python, program = folder / "bin/python", folder / "bin/yolo"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" -S "$@"\n'
    )
    shutil.copy(STAND_IN, program)
    text = program.read_text(encoding="utf-8").replace("/usr/bin/env python3", sys.executable)
    program.write_text(text, encoding="utf-8")
    for path in (python, program):
        path.chmod(0o755)
    return python


def set_versions(python, name, number):
    site = python.parents[1] / "site"
    for path in site.glob(f"{name}-*"):
        shutil.rmtree(path)
    info = site / f"{name}-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")


TOOLS = {"ultralytics": "8.4.190", "torch": "2.14.1", "torchvision": "0.29.1"}


def made(root, *, epochs=3, python=None):
    rng = np.random.default_rng(0)
    scenes = []
    for folder in ("vi", "truth", "seen"):
        (root / folder).mkdir()
    for name in sorted(TRAIN + TEST):
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        images.write(root / "vi" / f"{name}.png", image)
        images.write(root / "seen" / f"{name}.png", 255 - image)
        rows = [f"{n} {0.3 + n / 10} 0.5 0.25 {0.3 + n / 10}" for n in range(2)]
        text = "" if name == "7" else "\n".join(rows)
        (root / "truth" / f"{name}.txt").write_text(text, encoding="utf-8")
        scenes.append(
            Scene(name, root / "vi" / f"{name}.png", None, root / "truth" / f"{name}.txt")
        )
    return Job(
        images=root / "seen",
        scenes=SceneSet("MSRS", "detect", CLASSES, tuple(scenes)),
        split=Split("official", TRAIN, TEST),
        budget=Budget("quick", epochs, 4, 1e-2, 64),
        seed=3,
        folder=root / "job",
        python=python or environment_of(root / "env", TOOLS),
    )


def calls(job):
    """Command lines of the program so far."""
    text = (job.python.parent / "calls.txt").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def trainings(job):
    return [dict(w.split("=", 1) for w in c[2:]) for c in calls(job) if c[1] == "train"]


def state(job):
    return json.loads((job.folder / "done.json").read_text(encoding="utf-8"))


def real_python():
    """An interpreter whose environment has ultralytics; else the test is skipped."""
    given = os.environ.get("FNET_DOWNSTREAM_PYTHON")
    if not given:
        pytest.skip("FNET_DOWNSTREAM_PYTHON does not name an interpreter with ultralytics")
    return Path(given)
