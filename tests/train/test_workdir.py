"""Folders that cannot be used, as a user without rights meets them."""

import os
import shutil
import subprocess
import sys
import tempfile

import pytest
from command import ROOT

AS_NOBODY = """
import sys
from pathlib import Path
from fnet_jax.errors import InputError
from train.data.prepared import default_data_dir
from train.data.sources import find, open_or_prepare
from train.workdir import check_workdir

closed, pairs = Path(sys.argv[1]), sys.argv[2]
runs = Path("/nowhere/runs")
for attempt in (
    lambda: check_workdir(closed),
    lambda: check_workdir(closed / "below"),
    lambda: open_or_prepare(str(closed), runs, runs),
    lambda: open_or_prepare(str(closed / "below"), runs, runs),
    lambda: open_or_prepare("mine", closed, runs),
    lambda: open_or_prepare(pairs, runs, closed),
    lambda: open_or_prepare("~nosuchuser/pairs", runs, runs),
    default_data_dir,
):
    try:
        print("fine", attempt())
    except InputError as error:
        print(error)
settings = {"split": None, "data_dir": None, "crop": 8, "validation": 1, "workdir": runs}
print(find("auto", **settings).name)
"""


@pytest.fixture
def as_nobody():
    """The start of a command line that runs a program without rights, and without a home."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed, and root may enter every folder")
    start = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    call = [*start, sys.executable, "-c", "import jax"]
    done = subprocess.run(call, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"without rights, Python itself cannot be run: {done.stderr.strip()[-200:]}")
    return start


def test_folders_that_may_not_be_entered_are_one_line(tmp_path, as_nobody):
    closed, pairs = tmp_path / "closed", tmp_path / "pairs"
    (closed / "below").mkdir(parents=True)
    for name in ("I1", "I2"):
        (pairs / name).mkdir(parents=True)
        (pairs / name / "1.png").touch()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(0o755)  # up to the one that pytest made
    closed.chmod(0)
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*as_nobody, sys.executable, "-c", AS_NOBODY, closed, pairs],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    closed.chmod(0o755)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    expected = [
        f"--workdir {closed}: permission denied; use",
        f"--workdir {closed / 'below'}: permission denied; use",
        f"--data {closed}: permission denied",
        f"--data {closed / 'below'}: permission denied",
        "mine: permission denied",
        f"--workdir {closed}: permission denied; use",
        "--data ~nosuchuser/pairs: Could not determine home directory",
        "the home directory is unknown; set TFDS_DATA_DIR, or use --data-dir",
        "synthetic",
    ]
    assert len(said) == len(expected), said
    for line, start in zip(said, expected, strict=True):
        assert line.startswith(start)
