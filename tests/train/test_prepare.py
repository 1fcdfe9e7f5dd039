"""``python -m train.prepare``."""

import json
import re

import command
import numpy as np
import pytest
from made_up_cameras import scene
from made_up_files import source_of, spoil

from fnet_jax import images
from fnet_jax.pairs.public_sets import SETS
from train.data.prepare import main
from train.data.prepared import open_set


def test_the_command_prepares_a_set(tmp_path):
    source_of(tmp_path / "source")
    done = command.run("train.prepare", "tno", "--source=source", "--data-dir=data", cwd=tmp_path)
    built = open_set("tno", data_dir=tmp_path / "data")
    assert done.stdout.splitlines() == [
        "tno: 3 pairs (test 3); the paper uses 25",
        f"fingerprint: {built.fingerprint}",
        "folder: data/image_pairs/tno/1.0.0",
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_wrong_with_pairs_is_stated_and_kept(tmp_path, capsys):
    for side, image in (("I1", scene(1)[0]), ("I2", np.zeros((240, 320), np.uint8))):
        (tmp_path / side).mkdir()
        images.write(tmp_path / side / "a.png", image)
    call = [
        "own",
        "--source",
        str(tmp_path),
        "--name",
        "mine",
        "--data-dir",
        str(tmp_path / "data"),
    ]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "found: 1 × empty images" in out
    (report,) = (tmp_path / "data").rglob("check.json")
    assert json.loads(report.read_text())["pairs"][0]["findings"][0]["kind"] == "empty"
    assert main([*call, "--overwrite", "--skip-check"]) == 0
    assert "found:" not in capsys.readouterr().out
    assert not list((tmp_path / "data").rglob("check.json"))


def test_the_default_folder_is_that_of_tfds(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    assert main(["own", f"--source={source_of(tmp_path / 'harbour', 1)}"]) == 0
    assert capsys.readouterr().out.startswith("harbour: 1 pair (train 1)\n")
    assert open_set("harbour", data_dir=tmp_path / "data").counts == {"train": 1}


def test_as_many_as_the_paper(tmp_path, capsys):
    source = source_of(tmp_path / "source", 20)
    assert main(["rgb_nir_scene", f"--source={source}", f"--data-dir={tmp_path}"]) == 0
    assert "20 pairs (test 20); as many as the paper uses\n" in capsys.readouterr().out


def test_bad_files_are_listed(tmp_path, capsys):
    source = source_of(tmp_path / "source")
    wrong = spoil(source)
    call = ["own", f"--source={source}", f"--data-dir={tmp_path / 'data'}"]
    assert main(call) == 1
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert len(lines) == len(wrong) + 1
    assert all(line.startswith("error: ") for line in lines)
    assert lines[-1].endswith("fix them, or use --skip-bad to leave them out")
    assert not (tmp_path / "data").exists()

    assert main([*call, "--skip-bad"]) == 1
    output = capsys.readouterr()
    assert output.err.splitlines() == lines[:-1]
    assert output.out.startswith(
        "source: 3 pairs (train 3)\nleft out: 6 pairs with the files listed above\n"
    )


def test_patterns_say_which_image_of_a_folder_is_which(tmp_path, capsys):
    source = source_of(tmp_path / "source", 2)
    for kind, letter in (("I1", "D"), ("I2", "N")):
        for path in (source / kind).iterdir():
            path.rename(source / f"{path.stem}{letter}.png")
    call = [f"--source={source}", f"--data-dir={tmp_path}", "--pattern", "{}D.png", "{}N.png"]
    assert main(["own", *call]) == 0
    assert capsys.readouterr().out.startswith("source: 2 pairs (train 2)\n")
    built = open_set("source", data_dir=tmp_path)
    assert [pair["name"] for pair in built.pairs("train")] == ["0", "1"]
    assert main(["tno", *call]) == 1
    assert "--pattern is not needed for tno" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["globs", "table"])
def test_listed_pairs_are_a_set(tmp_path, capsys, way):
    source = source_of(tmp_path / "source", 3)
    table = tmp_path / "pairs.csv"
    table.write_text(
        "i1,i2,name\n" + "".join(f"source/I1/{i}.png,source/I2/{i}.png,n{i}\n" for i in "12")
    )
    flags = {
        "globs": [f"--i1={source}/I1/*.png", f"--i2={source}/I2/*.png"],
        "table": [f"--pairs={table}"],
    }[way]
    assert main(["own", "--name=mine", *flags, f"--data-dir={tmp_path}"]) == 0
    names = ["n1", "n2"] if way == "table" else ["0", "1", "2"]
    assert capsys.readouterr().out.startswith(f"mine: {len(names)} pairs (train {len(names)})\n")
    built = open_set("mine", data_dir=tmp_path)
    assert [pair["name"] for pair in built.pairs("train")] == names
    whole = images.read(source / "I2/1.png", grey=True)
    np.testing.assert_array_equal(built.pairs()[names.index(names[-2])]["I2"][..., 0], whole)


def test_lines_of_a_table_that_give_no_pair_are_problems(tmp_path, capsys):
    source_of(tmp_path / "source", 1)
    table = tmp_path / "pairs.csv"
    table.write_text("i1,i2\nsource/I1/0.png,source/I2/0.png\nsource/I1/0.png\n")
    call = ["own", "--name=mine", f"--pairs={table}", f"--data-dir={tmp_path}"]
    assert main(call) == 1
    assert "mine: 1 file cannot be used, so no set was written" in capsys.readouterr().err
    assert main([*call, "--skip-bad"]) == 1
    assert open_set("mine", data_dir=tmp_path).counts == {"train": 1}


def test_overwriting_is_asked_for(tmp_path, capsys):
    source = source_of(tmp_path / "source", 1)
    call = ["own", f"--source={source}", f"--data-dir={tmp_path}", "--name=mine"]
    assert main(call) == 0
    assert main(call) == 1
    assert capsys.readouterr().err.endswith("already exists; use --overwrite to replace it\n")
    assert main([*call, "--overwrite"]) == 0


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for name, image_set in SETS.items():
        assert f"  {name}: {image_set.title}" in shown
        assert image_set.home in shown
    for word in ("1,444", "set*/V*/lwir/I*", "I1/* with I2/*", "--skip-bad", "exit status"):
        assert word in shown
    assert re.search(r"python -m train\.prepare msrs --source MSRS/\n", shown)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--source=x"],
        ["nto", "--source=x"],
        ["tno"],
        ["own", "--source=x", "--name", "n" * 300],
        ["own", "--source=x", "--name=a/b"],
        ["own", "--source=x", "--name=.."],
        ["own", "--source=x", "--name=.a"],
        ["own", "--source=x", "--name=a\0"],
        ["own", "--source=x", "--name=a\n"],
        ["own", "--source=x", "--name=é"],
        ["own", "--source=x", "--name="],
        ["own", "--source=x", "--pairs=x.csv"],
        ["own", "--i1=x", "--i2=y"],
        ["own", "--i1=x", "--name=a"],
        ["tno", "--pairs=x.csv"],
    ],
)
def test_wrong_arguments_exit_with_2(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(wrong)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_raw_counts_are_prepared_by_one_range_which_is_said(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(2):
        for name, low in (("I1", 0), ("I2", 6743)):
            (tmp_path / "raw" / name).mkdir(parents=True, exist_ok=True)
            counts = rng.integers(low, low + 334, (20, 24), np.uint16)
            counts = counts.astype(np.uint8) if name == "I1" else counts
            images.write(tmp_path / f"raw/{name}/{i}.png", counts)
    call = ["own", "--source", str(tmp_path / "raw"), "--data-dir", str(tmp_path)]
    for flags in ([], ["--range=type", "--overwrite"]):
        assert main([*call, *flags]) == 0
        said = capsys.readouterr().err
        assert ("I2/0.png and 1 more: fills a small part" in said) == (not flags)
        built = open_set("raw", data_dir=tmp_path)
        assert [*built.ranges] == (["type", built.ranges[1]] if not flags else ["type", "type"])
        assert ("…" in built.ranges[1]) == (not flags)
        levels = len(np.unique(built.pairs()[0]["I2"]))
        assert levels > 100 if not flags else levels <= 3
