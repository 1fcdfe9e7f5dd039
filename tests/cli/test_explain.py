"""``python -m eval.explain``."""

import json
import os
import re

import command
import numpy as np
import pytest

from fnet_jax import Fuser, images
from fnet_jax.cli import explain as explain_command
from fnet_jax.cli.explain import main
from fnet_jax.explain import report
from fnet_jax.fusing.edits import Edit, Feature, fuse
from fnet_jax.synthetic import night_street


@pytest.fixture
def folders(tmp_path):
    """Two pairs in vi/ and ir/; returns the two folders."""
    for i, size in enumerate([(16, 20), (16, 20)]):
        for name, image in zip(("vi", "ir"), night_street(*size, seed=i), strict=True):
            (tmp_path / name).mkdir(exist_ok=True)
            images.write(tmp_path / name / f"{i}.png", image)
    return tmp_path / "vi", tmp_path / "ir"


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves out the figures, which take seconds."""
    monkeypatch.setattr(report, "drawings", lambda explanation: iter(()))


def arguments(checkpoint, folders, out, *more):
    return [
        *("--ckpt", str(checkpoint), "--i1", str(folders[0]), "--i2", str(folders[1])),
        *("--out", str(out), *map(str, more)),
    ]


def test_the_command_explains_a_pair(small_checkpoint, folders, tmp_path):
    pair = folders[0] / "0.png", folders[1] / "0.png"
    edits = ("--u1", "0.5", "--theta-scale", "2", "--feature", "c:1=-1", "--strongest", "2")
    done = command.run(
        "eval.explain", *arguments(small_checkpoint, pair, "out", *edits), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"explained 1 of 1 pair in \d+\.\d s into out\nreport: out/0/report.html\n", done.stdout
    )
    assert "Traceback" not in done.stderr
    folder = tmp_path / "out/0"
    assert len(list((folder / "figures").glob("*.svg"))) == report.COUNT + 1
    fuser = Fuser.from_checkpoint(small_checkpoint)
    i1, i2 = map(images.read, pair)
    edit = Edit(u1=0.5, theta_scale=2, features=(Feature("c", 1, -1.0),))
    edited = fuse(fuser, i1, i2, edit)
    for name, expected in (("fused", fuser.fuse(i1, i2)), ("edited", edited)):
        found = images.read(folder / f"{name}.png")
        assert np.abs(found.astype(int) - expected).max() <= 1  # rounding of nearly equal floats
    assert json.loads((folder / "numbers.json").read_text())["edit"]["theta_scale"] == 2
    with np.load(folder / "arrays.npz") as arrays:
        assert arrays["c_strongest"].shape == (16, 20, 2)


def test_folders_and_bad_pairs(small_checkpoint, folders, tmp_path, capsys, undrawn):
    vi, ir = folders
    (vi / "cut.png").write_bytes((vi / "0.png").read_bytes()[:60])
    (ir / "cut.png").write_bytes((ir / "0.png").read_bytes())
    (vi / "size.png").write_bytes((vi / "0.png").read_bytes())
    images.write(ir / "size.png", np.zeros((3, 3), np.uint8))
    for folder in folders:
        images.write(folder / "huge.png", np.zeros((20, 20), np.uint8))
    (vi / "alone.png").write_bytes((vi / "0.png").read_bytes())
    out = tmp_path / "out"
    call = arguments(small_checkpoint, folders, out, "--max-pixels", 350)
    assert main(call) == 1
    said = capsys.readouterr()
    assert "explained 2 of 6 pairs" in said.out
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    for name, message in [
        ("vi/cut.png", "damaged or cut short"),
        ("vi/size.png", "the sizes differ: i1 is 20×16, i2 is 3×3; register them"),
        ("vi/huge.png", "20×20 pixels exceed the limit of 350; shrink the image or raise"),
        ("vi/alone.png", "has no partner alone"),
    ]:
        assert sum(bool(re.search(f"{name}.*{message}", line)) for line in errors) == 1, name
    assert len(errors) == 4
    assert sorted(os.listdir(out)) == ["0", "1"]
    assert main([*call]) == 1  # everything is there already
    assert "explained 0 of 6" in capsys.readouterr().out
    assert main([*call, "--overwrite"]) == 1
    assert "explained 2 of 6" in capsys.readouterr().out


def test_too_little_memory_is_one_line(
    small_checkpoint, folders, tmp_path, capsys, monkeypatch, undrawn
):
    monkeypatch.setattr("fnet_jax.runtime.memory.available", lambda device: 10_000)
    assert main(arguments(small_checkpoint, folders, tmp_path / "out")) == 1
    assert re.search(
        r"0\.png: not enough memory \(20×16 pixels need about .* are free\); shrink",
        capsys.readouterr().err,
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--u1", "nan"], "'nan' is not a finite number"),
        (["--c", "much"], "'much' is not a finite number"),
        (["--theta-scale", "-1"], "'-1' is not a number of at least 0"),
        (["--epsilon", "0"], "'0' is not a finite number above 0"),
        (["--strongest", "0"], "'0' is not a whole number from 1 to"),
        (["--feature", "x1:7=0"], "'x1:7=0' is not CODE:K=SCALE"),
        (["--feature", "u1:7"], "'u1:7' is not CODE:K=SCALE"),
        (["--feature", "u1:1=1", "--feature", "u1:٣=0"], "'u1:٣=0' is not CODE:K=SCALE"),
        (["--feature", f"u1:{'9' * 5000}=0"], "is not CODE:K=SCALE"),
        (["--feature", "u1:1=1e400"], "'1e400' is not a finite number"),
        (["--samples"], "use either both --i1 and --i2, or --samples"),
    ],
)
def test_flags_that_do_not_fit(folders, tmp_path, capsys, flags, message):
    with pytest.raises(SystemExit) as stopped:
        main(["--i1", str(folders[0]), "--i2", str(folders[1]), "--out", str(tmp_path), *flags])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_feature_that_the_network_lacks(small_checkpoint, folders, tmp_path, capsys):
    call = arguments(small_checkpoint, folders, tmp_path / "out", "--feature", "u1:4=0")
    assert main(call) == 1
    assert "error: feature u1:4 does not exist; " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sources_are_safe(small_checkpoint, folders, capsys):
    assert main(arguments(small_checkpoint, folders, folders[0])) == 1
    assert "contains source images; use another --out" in capsys.readouterr().err
    assert sorted(os.listdir(folders[0])) == ["0.png", "1.png"]


def test_help_tells_what_edits_mean(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "found as before" in said
    assert "All features are found" in said
    assert explain_command.DESCRIPTION in said
