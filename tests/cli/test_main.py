"""``fnet``, and what all commands have in common."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from command import ROOT, run

from fnet_jax.cli import benchmark, main, score, sources
from fnet_jax.images import color
from fnet_jax.metrics import PROFILES
from fnet_jax.paper.protocols import PROTOCOLS
from fnet_jax.version import __version__

MODULES = [
    *(module for module, _ in main.COMMANDS.values()),
    *("eval.ablation.run", "train.data.prepare", "train.run.recipe", "train.run.validate"),
]


def test_help_lists_every_command(capsys):
    for argument in ("--help", "-h"):
        assert main.main([argument]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        for name, (_, summary) in main.COMMANDS.items():
            assert f"\n  {name} " in shown.out
            assert summary in shown.out
        assert "fnet fuse --i1 visible.png --i2 infrared.png --out fused.png" in shown.out


def test_the_version(capsys):
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fnet-jax {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "a command is missing; use fuse, web, register, check, score, "),
        (["fus"], "'fus' is not a command; did you mean fuse?"),
        (["--fuse"], "is not a command; did you mean fuse?"),
        (["q" * 5000], f"'{'q' * 60}' is not a command; use fuse"),
        ([""], "a command is missing"),
    ],
)
def test_other_words_are_refused(argv, message, capsys):
    assert main.main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_commands_know_their_name(capsys):
    for name in main.COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            main.main([name, "--help"])
        assert stopped.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: fnet {name} [-h] ")
        with pytest.raises(SystemExit) as stopped:
            main.main([name, "--no-such-flag"])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.startswith(f"fnet {name}: error: ")


def test_every_module_has_main():
    for module, _ in main.COMMANDS.values():
        assert {"argv", "prog"} <= inspect.signature(import_module(module).main).parameters.keys()


def test_names_that_are_written_twice_to_start_fast():
    assert set(sources.COLORS) == set(color.MODES)
    assert tuple(PROTOCOLS) == benchmark.SETS
    assert score.ScoreConfig.profile in PROFILES
    for profile in PROFILES:
        call = ["--explain", "--metrics=MI", f"--profile={profile}"]
        assert score.main(call) == 0


def test_help_is_complete_without_docstrings_and_imports_nothing_slow():
    """Of all commands, in one process that keeps no docstrings."""
    code = f"""
import sys
from importlib import import_module
for module in {MODULES}:
    for call in (["--help"], ["--no-such-flag"]):
        try:
            import_module(module).main(call)
        except SystemExit:
            pass
from train.run.command import main
for stage in ("stage1", "stage2"):
    try:
        main(stage, ["--help"])
    except SystemExit:
        pass
slow = {{"jax", "flax", "orbax", "tensorflow", "tensorflow_datasets", "matplotlib", "scipy"}}
print("slow:", sorted(slow & sys.modules.keys()))
"""
    call = [sys.executable, "-OO", "-c", code]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("slow: []\n")
    assert done.stdout.count("exit status: ") == len(MODULES) + 2
    assert done.stdout.count("Replace ") == 8
    for text in ("Scale of u1 in the decoding.", "Learning rate of Adam.", "Checkpoint of FNet"):
        assert text in done.stdout


def test_the_module_is_the_command(tmp_path):
    done = run("fnet_jax", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"fnet-jax {__version__}\n")
    done = run("fnet_jax", "score", "--workers=0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--workers: '0' is not a whole number" in done.stderr


@pytest.mark.parametrize("redirected", ["> /dev/full", ">&-", "| true"])
def test_help_that_nobody_reads_is_no_error(redirected):
    call = f"set -o pipefail; {sys.executable} -m fnet_jax score --help {redirected}"
    done = subprocess.run(
        ["bash", "-c", call], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_needs_no_unicode(tmp_path):
    done = run("train.stage1", "--help", cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "AE7 (? = 0.9)" in done.stdout


def test_no_option_is_named_by_a_part_of_its_name(tmp_path):
    """Options that replace files are written out."""
    (tmp_path / "kept").write_text("precious")
    for module in MODULES:
        with pytest.raises(SystemExit) as stopped:
            import_module(module).main([f"--out={tmp_path / 'kept'}", "--overw"])
        assert stopped.value.code == 2
    assert Path(tmp_path / "kept").read_text() == "precious"
