"""``python -m eval.register``."""

import json
import re

import command
import numpy as np
import pytest
from browser import look
from made_up_cameras import error, random_scene, scene, seen, transform
from made_up_fff import photo

from fnet_jax import images
from fnet_jax.cli.register import MODELS, main
from fnet_jax.registration import MODELS as KNOWN
from fnet_jax.registration.transforms import resized

SIZE = (240, 320)
MATRIX = transform(3, 0.9, 12, -6, size=SIZE)


@pytest.fixture
def rig(tmp_path):
    """Two pairs of a rig, and a foreign one."""
    for name in ("vi", "ir"):
        (tmp_path / name).mkdir()
    for seed in (1, 2, 3):
        visible, infrared = scene(seed)
        if seed == 3:
            infrared = random_scene(*SIZE, seed=9)[1]
        images.write(tmp_path / f"vi/{seed}.png", visible)
        images.write(tmp_path / f"ir/{seed}.png", seen(infrared, MATRIX))
    return ["--i1", "vi", "--i2", "ir"]


def test_a_rig_its_page_and_fusing_with_it(rig, tmp_path, small_checkpoint):
    done = command.run(
        "eval.register", *rig, "--out", "rig.json", "--page", "rig.html", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["pair", "evidence", "before", "after", "offset", "(px)"]
    assert [line.endswith("does not fit") for line in lines[1:4]] == [False, False, True]
    assert lines[4].startswith("accepted (")
    assert re.match(r"scale 0\.(90?|89)\d*, rotated by [23]\.\d+°, I1's center at", lines[5])
    content = json.loads((tmp_path / "rig.json").read_text(encoding="utf-8"))
    assert error(np.array(content["rig"]["matrix"]), MATRIX, SIZE) < 1.5
    assert [pair["fits"] for pair in content["pairs"]] == [True, True, False]
    shown, height, asked, console = look(tmp_path / "rig.html", tmp_path / "page.png")
    assert shown
    assert height > 1500
    assert asked == 0
    assert not console
    done = command.run(
        *("eval.fuse", *rig, "--ckpt", small_checkpoint, "--register", "rig.json"),
        *("--out", "fused", "--mask"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert images.read(tmp_path / "fused/1.png").shape == (*SIZE, 3)
    assert (tmp_path / "fused/1.mask.png").is_file()


def test_each_pair_alone_and_a_refusal(rig, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*rig, "--each", "--model", "similarity", "--out", "each.json"]) == 1
    out, err = capsys.readouterr()
    assert "refused: 3: the images agree hardly better than by chance" in err
    assert out.splitlines()[3].split()[-1] == "refused"
    content = json.loads((tmp_path / "each.json").read_text(encoding="utf-8"))
    assert content["rig"] is None
    assert [pair["accepted"] for pair in content["pairs"]] == [True, True, False]


def test_files_that_cannot_be_read_stop_no_other(rig, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ir/2.png").write_bytes(b"damaged")
    images.write(tmp_path / "vi/3.png", scene(3)[0][:100], overwrite=True)
    (tmp_path / "vi/4.png").write_bytes((tmp_path / "vi/1.png").read_bytes())
    assert main([*rig, "--model", "similarity", "--out", "rig.json"]) == 1
    err = capsys.readouterr().err
    assert "ir/2.png" in err
    assert "vi/3.png has 320×100 pixels, but others of the rig have 320×240" in err
    assert "vi/4.png: has no partner" in err
    content = json.loads((tmp_path / "rig.json").read_text(encoding="utf-8"))
    assert [pair["name"] for pair in content["pairs"]] == ["1"]
    assert main([*rig, "--out", "rig.json"]) == 1
    assert "rig.json already exists; use --overwrite" in capsys.readouterr().err


def test_images_that_cannot_be_registered_are_named_and_left_out(
    rig, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    images.write(tmp_path / "ir/2.png", scene(2)[1][:40, :40], overwrite=True)
    call = [*rig, "--each", "--model", "similarity", "--near", "--out", "each.json"]
    assert main(call) == 1
    err = capsys.readouterr().err
    assert "vi/2.png and ir/2.png: i2 has 40×40 pixels; registration needs at least 48" in err
    content = json.loads((tmp_path / "each.json").read_text(encoding="utf-8"))
    assert [pair["name"] for pair in content["pairs"]] == ["1", "3"]


def test_one_file_is_not_written_twice(rig, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*rig, "--out", "a.json", "--page", "./a.json"]) == 1
    assert "a.json would be written twice; use different files" in capsys.readouterr().err
    assert not (tmp_path / "a.json").exists()


def test_photos_of_one_name_are_refused(tmp_path, capsys, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        photo(tmp_path / folder / "p.jpg", rng)
    assert main(["a/p.jpg", "b/p.jpg", "--each", "--out", "each.json"]) == 1
    assert "b/p.jpg has the same name as a/p.jpg; rename one" in capsys.readouterr().err


def test_a_start_is_resized_with_the_images(rig, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = ["--i1", "vi/1.png", "--i2", "ir/1.png", "--model", "similarity"]
    assert main([*call, "--out", "rig.json"]) == 0
    double = images.read(tmp_path / "vi/1.png").repeat(2, 0).repeat(2, 1)
    images.write(tmp_path / "vi/1.png", double, overwrite=True)
    assert main([*call, "--start", "rig.json", "--near", "--out", "again.json"]) == 0
    found = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))["rig"]["matrix"]
    expected = resized(MATRIX, (SIZE, SIZE), ((480, 640), SIZE))
    assert error(np.array(found), expected, (480, 640)) < 1.5


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "use both --i1 and --i2, or --pairs, or files of thermal cameras"),
        (["--i1", "vi"], "use both --i1 and --i2"),
        (["a.jpg", "--i1", "vi", "--i2", "ir"], "use either files of thermal cameras, or"),
        (["--i1", "vi", "--i2", "ir", "--model", "rigid"], "'rigid' is unknown; use translation"),
    ],
)
def test_wrong_flags_are_one_line_and_2(flags, line, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*flags, "--out", "rig.json"])
    assert stop.value.code == 2
    assert line in capsys.readouterr().err


def test_the_help_teaches(tmp_path):
    done = command.run("eval.register", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("--each", "--page", "a wrong one is worse than none", "parallax"):
        assert word in done.stdout
    assert MODELS == KNOWN  # the command repeats them, as importing them takes long
