"""What is installed, and what the two commands of a new user do."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from command import ROOT

from fnet_jax import images
from fnet_jax.cli.main import main
from fnet_jax.networks.fnet import FNet
from fnet_jax.pairs.match import SAMPLES
from fnet_jax.synthetic import night_street
from fnet_jax.version import __version__
from fnet_jax.weights import checkpoints
from fnet_jax.weights.integrity import named_arrays

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def shipped_files():
    """The files of the weights that are shipped."""
    return [path for path in checkpoints.SHIPPED.rglob("*") if path.is_file()]


def requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_the_wheel_holds_the_library_only(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="setuptools ≥ 77 builds the wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", "fnet_jax", "train", "eval", "tests"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    call = ["-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-w", "dist", "-q"]
    subprocess.run([sys.executable, *call], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == f"fnet_jax-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "fnet_jax",
        f"fnet_jax-{__version__}.dist-info",
    }
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "fnet_jax").rglob("*.py")}
    assert modules <= set(names)
    data = {
        "py.typed",
        "web/page/index.html",
        "web/page/app.js",
        "scoring/scores.html",
        "explain/explain.html",
        "paper/table1.json",
    }
    data |= {path.relative_to(ROOT / "fnet_jax").as_posix() for path in shipped_files()}
    data |= {path.relative_to(ROOT / "fnet_jax").as_posix() for path in SAMPLES.rglob("*.png")}
    assert {f"fnet_jax/{name}" for name in data} <= set(names)


def test_the_weights_are_small_whole_and_nobodys_in_particular():
    assert sum(path.stat().st_size for path in shipped_files()) < 2_000_000
    network, params, meta = checkpoints.load(checkpoints.shipped(), FNet)
    assert network.settings() == FNet().settings()
    assert sum(x.size for x in named_arrays(params).values()) == 419_916
    source = meta["source"]
    assert source["rounds"].keys() == {"stage1", "stage2", "again"}
    course = source["rounds"]["again"]["validation_loss"]
    assert source["validation_loss"] == pytest.approx(course[str(source["step"])], abs=1e-6)
    for path in shipped_files():
        assert b"/home/" not in path.read_bytes()
        assert b"/tmp/" not in path.read_bytes()


def test_each_bound_is_stated_once():
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert extras.keys() == {"cuda12", "register", "web", "torch", "train", "docs", "dev", "all"}
    (everything,) = extras["all"]
    assert set(re.split(r"[\[\],]", everything)[1:-1]) == extras.keys() - {"all"}
    stated = [*PYPROJECT["project"]["dependencies"], *itertools.chain(*extras.values())]
    bounded = [re.split(r"[\[>=<]", line)[0] for line in stated if ">=" in line]
    assert len(bounded) == len(set(bounded))
    assert not [line for line in requirements("requirements.txt") if set(line) & set("<>=~")]


def test_requirements_name_what_training_needs():
    lines = requirements("requirements.txt")
    wanted = {
        "flax",
        "optax",
        "orbax-checkpoint",
        "numpy",
        "tensorflow-datasets",
        "grain",
        "pytest",
    }
    assert lines == wanted | {"jax[cuda12]", "-e .[cuda12,train]"}


def test_the_build_uses_what_the_extras_state():
    """The engine is built with the oldest JAX, since JAX refuses one built with a newer JAX."""
    needs, jax, _ = PYPROJECT["build-system"]["requires"]
    assert needs in PYPROJECT["project"]["optional-dependencies"]["dev"]
    lowest = next(line for line in PYPROJECT["project"]["dependencies"] if line.startswith("jax"))
    assert jax.startswith(f"{lowest.replace('>=', '==')}.0;")


def test_workflows_test_what_the_project_states():
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the workflows")
    flows = {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (ROOT / ".github/workflows").glob("*.yml")
    }
    assert flows.keys() == {"tests", "docs", "wheels"}
    for flow in flows.values():
        assert flow["permissions"] == {"contents": "read"}
        assert flow["concurrency"]["cancel-in-progress"] is True
    matrix = flows["tests"]["jobs"]["tests"]["strategy"]["matrix"]
    classifiers = PYPROJECT["project"]["classifiers"]
    assert matrix["python"] == [c.split(" :: ")[2] for c in classifiers if "Python :: 3." in c]
    assert matrix["jax"] == [PYPROJECT["build-system"]["requires"][1].split(";")[0], "jax"]


@pytest.mark.slow
def test_wheel_and_sdist_work_where_nothing_else_is(tmp_path):
    arguments = ["--python", sys.executable, "--out", str(tmp_path / "dist")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/installed.py"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_library_is_cheap(tmp_path):
    code = "import sys, fnet_jax; print([m for m in ('jax', 'flax', 'orbax') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert done.stdout == b"[]\n"


def test_imports_point_one_way():
    for path in (ROOT / "fnet_jax").rglob("*.py"):
        assert not re.search(
            r"^\s*(from|import) (train|eval|benchmarks|tests)\b", path.read_text(), re.M
        )


def make(tmp_path, *arguments):
    """Runs ``make`` with a virtual environment that is ready: this Python."""
    (tmp_path / "venv/bin").mkdir(parents=True, exist_ok=True)
    python = tmp_path / "venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for name in ("ready", "engine"):  # else the engine that other tests use would be built again
        (tmp_path / "venv" / name).touch()
    return subprocess.run(
        ["make", "--no-print-directory", f"VENV={tmp_path / 'venv'}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("given", ["I1=a.png", "I2=b.png"])
def test_make_fuse_wants_both_images(tmp_path, given):
    done = make(tmp_path, "fuse", given)
    assert done.returncode != 0
    assert "eval.fuse" not in done.stdout
    assert "make fuse I1=visible.png I2=infrared.png" in done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_fuse_fuses_what_ships(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sheet.png").write_bytes(b"")  # as if it had been done before
    done = make(tmp_path, "fuse", f"OUT={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"contact sheet: {tmp_path / 'out/sheet.png'}\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(path.name for path in (SAMPLES / "I1").iterdir()),
        "sheet.png",
    }


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_fuse_fuses(tmp_path, small_checkpoint):
    visible, infrared = night_street(32, 40)
    images.write(tmp_path / "a.png", visible)
    images.write(tmp_path / "b.png", infrared)
    done = make(
        tmp_path,
        "fuse",
        f"CKPT={small_checkpoint}",
        f"I1={tmp_path / 'a.png'}",
        f"I2={tmp_path / 'b.png'}",
        f"OUT={tmp_path / 'out'}",
    )
    assert done.returncode == 0, done.stderr
    assert images.read(tmp_path / "out/a.png").shape == (32, 40, 3)


def test_the_command_is_installed():
    (point,) = EntryPoints(
        EntryPoint(name, value, "console_scripts")
        for name, value in PYPROJECT["project"]["scripts"].items()
    )
    assert point.name == "fnet"
    assert point.load() is main


def test_version_is_told_once():
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
