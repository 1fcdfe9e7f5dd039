"""What may import what: the contracts in pyproject.toml, and the map in docs/architecture.md."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from command import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
PACKAGES = ("fnet_jax", "train", "eval", "benchmarks")


def contracts(folder):
    """Checks the import contracts of the packages in a folder."""
    code = (
        "import sys; from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True, no_logo=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_point_downwards():
    done = contracts(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("fnet_jax/sparse_coding/lzsc.py", "from fnet_jax.networks import fnet"),
        ("fnet_jax/artifacts/files.py", "from fnet_jax import images"),
        ("fnet_jax/paper/table1.py", "from eval import ablation"),
        ("train/data/sources.py", "from train.run import loop"),
    ],
)
def test_an_import_that_points_upwards_is_found(tmp_path, module, line):
    for package in PACKAGES:
        only_python = lambda folder, names: [n for n in names if "." in n and n[-3:] != ".py"]
        shutil.copytree(ROOT / package, tmp_path / package, ignore=only_python)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = contracts(tmp_path)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_the_map_has_every_room_and_no_other():
    rooms = {
        path.parent.relative_to(ROOT).as_posix() + "/"
        for package in PACKAGES[:2]
        for path in (ROOT / package).glob("*/__init__.py")
    }
    named = set(re.findall(r"^\| `([\w/]+/)`", PAGE, re.M))
    assert {room for room in rooms if room.startswith("fnet_jax/")} <= named
    assert all((ROOT / room).is_dir() for room in named)
    inner = {"data/", "run/", "ablation/", "downstream/"}
    assert set(re.findall(r"`((?:data|run|ablation|downstream)/)`", PAGE)) == inner


def test_files_named_on_the_page_exist():
    for name in re.findall(r"`((?:fnet_jax|train|eval|tests|docs)/[\w/]+\.\w+)`", PAGE):
        assert (ROOT / name).is_file(), name
