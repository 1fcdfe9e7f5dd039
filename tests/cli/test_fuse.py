"""``python -m eval.fuse``."""

import os
import re
import signal
import subprocess
import sys
import time

import command
import jax
import numpy as np
import pytest
from conftest import SMALL
from made_up_fff import photo
from PIL import Image

from fnet_jax import Fuser, images
from fnet_jax.cli.fuse import main
from fnet_jax.fusing.record import NAME
from fnet_jax.fusing.sheet import contact_sheet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.weights import checkpoints


def names(folder):
    """What is in a folder of fused images but the record of the job."""
    return sorted(set(os.listdir(folder)) - {NAME})


@pytest.fixture
def folders(tmp_path, rng):
    """Five pairs of several sizes and formats in vi/ and ir/; returns the two folders."""
    for name in ("vi", "ir"):
        (tmp_path / name).mkdir()
    for i, (suffix, height, width) in enumerate(
        [(".png", 9, 12), (".jpg", 15, 8), (".bmp", 1, 1), (".tif", 20, 21), (".PNG", 33, 7)]
    ):
        levels = rng.integers(0, 256, size=(height, width, 4), dtype=np.uint8)
        images.write(tmp_path / f"vi/{i}{suffix}", levels[..., :3])
        images.write(tmp_path / f"ir/{i}.png", levels[..., 3])
    return tmp_path / "vi", tmp_path / "ir"


def arguments(checkpoint, folders, out, *more):
    return [
        *("--ckpt", str(checkpoint), "--i1", str(folders[0]), "--i2", str(folders[1])),
        *("--out", str(out), *map(str, more)),
    ]


def test_the_command_fuses_folders(small_checkpoint, folders, tmp_path):
    done = command.run(
        "eval.fuse", *arguments(small_checkpoint, folders, "out", "-v"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"fused 5 of 5 pairs in \d+\.\d s \(2 compilations\) into out\n", done.stdout
    )
    assert "compilation 1: " in done.stderr
    assert all(f"fusing on cpu:{i}\n" in done.stderr for i in (0, 1))  # one program for each
    assert "Traceback" not in done.stderr
    fuser = Fuser.from_checkpoint(small_checkpoint)
    for i1 in images.find(folders[0]):
        fused = images.read(tmp_path / "out" / i1.name)
        expected = fuser.fuse(images.read(i1), images.read(folders[1] / f"{i1.stem}.png"))
        # JPEG at quality 95 is not lossless; the others are.
        tolerance = 40 if i1.suffix == ".jpg" else 0
        assert np.abs(fused.astype(int) - expected).max() <= tolerance


def test_every_bad_input_is_named_and_the_rest_is_fused(small_checkpoint, folders, tmp_path):
    vi, ir = folders
    good = (vi / "0.png").read_bytes()
    for name, one, two in [
        ("cut", good[:60], good),
        ("empty", good, b""),
        ("text", b"text", good),
        ("size", good, (ir / "3.png").read_bytes()),
    ]:
        (vi / f"{name}.png").write_bytes(one)
        (ir / f"{name}.png").write_bytes(two)
    Image.new("L", (300, 200)).save(vi / "huge.png")
    Image.new("L", (300, 200)).save(ir / "huge.png")
    (vi / "alone.png").write_bytes(good)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0.png").write_bytes(b"precious")

    done = command.run(
        "eval.fuse",
        *arguments(small_checkpoint, folders, "out", "--max-pixels", 50000),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "fused 4 of 11 pairs" in done.stdout
    errors = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in errors), done.stderr
    for name, message in [
        ("vi/cut.png", "damaged or cut short"),
        ("ir/empty.png", "the file is empty"),
        ("vi/text.png", "not in a known image format"),
        ("vi/size.png", "is 12×9 but .*ir/size.png is 21×20"),
        ("vi/huge.png", "300×200 pixels exceed the limit of 50000"),
        ("vi/alone.png", "has no partner alone"),
        ("out/0.png", "already exists; use --overwrite"),
    ]:
        assert sum(bool(re.search(f"{name}.*{message}", line)) for line in errors) == 1, name
    assert len(errors) == 7
    assert (tmp_path / "out/0.png").read_bytes() == b"precious"
    assert names(tmp_path / "out") == ["0.png", "1.jpg", "2.bmp", "3.tif", "4.PNG"]


def test_overwrite_and_format(small_checkpoint, folders, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0.png").write_bytes(b"old")
    call = arguments(small_checkpoint, folders, tmp_path / "out", "--format", "png")
    assert main(call) == 1
    assert main([*call, "--overwrite"]) == 0
    assert names(tmp_path / "out") == [f"{i}.png" for i in range(5)]
    assert images.read(tmp_path / "out/0.png").shape == (9, 12, 3)
    capsys.readouterr()


def test_two_files(small_checkpoint, folders, tmp_path):
    pair = folders[0] / "1.jpg", folders[1] / "1.png"
    assert main(arguments(small_checkpoint, pair, tmp_path / "new/out", "--color", "grey")) == 0
    assert images.read(tmp_path / "new/out/1.jpg").shape == (15, 8)


@pytest.mark.parametrize("name", ["fused.png", "new/fused.JPG", "f.u.tif", "vi/fused.bmp"])
def test_a_file_for_one_pair(small_checkpoint, folders, tmp_path, name, capsys):
    pair, target = (folders[0] / "1.jpg", folders[1] / "1.png"), tmp_path / name
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    call = arguments(small_checkpoint, pair, target)
    assert main(call) == 0
    assert f"into {target}\n" in capsys.readouterr().out
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before | {target}
    assert images.read(target).shape == (15, 8, 3)
    written = target.read_bytes()
    assert main(call) == 1
    assert re.search("already.*--overwrite", capsys.readouterr().err)
    assert main([*call, "--overwrite"]) == 0
    assert target.read_bytes() == written


def test_a_name_with_a_suffix_is_a_folder_for_folders(small_checkpoint, folders, tmp_path):
    pair = folders[0] / "1.jpg", folders[1] / "1.png"
    (tmp_path / "there.png").mkdir()
    assert main(arguments(small_checkpoint, pair, tmp_path / "there.png")) == 0
    assert os.listdir(tmp_path / "there.png") == ["1.jpg"]
    assert main(arguments(small_checkpoint, folders, tmp_path / "several.png")) == 0
    assert len(names(tmp_path / "several.png")) == 5
    assert main(arguments(small_checkpoint, pair, tmp_path / "fused.webp")) == 0
    assert os.listdir(tmp_path / "fused.webp") == ["1.jpg"]


def test_a_file_for_one_pair_harms_nothing(small_checkpoint, folders, tmp_path, capsys):
    pair = folders[0] / "1.jpg", folders[1] / "1.png"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    for source in pair:
        assert main(arguments(small_checkpoint, pair, source, "--overwrite")) == 1
        assert "is a source image" in capsys.readouterr().err
    fused = tmp_path / "fused.png"
    assert main(arguments(small_checkpoint, pair, fused, "--format=jpg")) == 1
    assert "--format jpg" in capsys.readouterr().err
    assert main(arguments(small_checkpoint, pair, fused, "--sheet", str(fused))) == 1
    assert "is the name of a fused image" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before


def test_color_modes(small_checkpoint, folders, tmp_path):
    pair = folders[0] / "3.tif", folders[1] / "3.png"
    shapes = {}
    for mode in ("auto", "grey", "limited", "full"):
        assert main(arguments(small_checkpoint, pair, tmp_path / mode, "--color", mode)) == 0
        shapes[mode] = images.read(tmp_path / mode / "3.tif").shape
    assert shapes == {
        "auto": (20, 21, 3),
        "grey": (20, 21),
        "limited": (20, 21, 3),
        "full": (20, 21, 3),
    }


def test_sixteen_bits_stay_sixteen(small_checkpoint, tmp_path, rng):
    for name in ("a", "b"):
        images.write(tmp_path / f"{name}.png", rng.integers(0, 65536, (8, 8)).astype(np.uint16))
    pair = tmp_path / "a.png", tmp_path / "b.png"
    assert main(arguments(small_checkpoint, pair, tmp_path / "out")) == 0
    assert images.read(tmp_path / "out/a.png").dtype == np.uint16


def test_sources_are_never_overwritten(small_checkpoint, folders, capsys):
    before = {path: path.read_bytes() for path in images.find(folders[0])}
    assert main(arguments(small_checkpoint, folders, folders[0], "--overwrite")) == 1
    assert "is a folder of source images; use another --out" in capsys.readouterr().err
    assert main(arguments(small_checkpoint, folders, folders[0], "--format=png")) == 1
    assert {path: path.read_bytes() for path in images.find(folders[0])} == before
    (folders[0].parent / "links").mkdir()
    link = folders[0].parent / "links/0.png"
    link.symlink_to(folders[0] / "0.png")
    pair = link, folders[1] / "0.png"
    assert main(arguments(small_checkpoint, pair, folders[0], "--overwrite")) == 1
    assert "0.png is a source image" in capsys.readouterr().err
    pair = folders[0] / "0.png", folders[1] / "1.png"  # the result would be ir/0.png
    assert main(arguments(small_checkpoint, pair, folders[1], "--overwrite", "--format=png")) == 1
    assert images.read(folders[1] / "0.png").shape == (9, 12)
    assert {path: path.read_bytes() for path in images.find(folders[0])} == before


def test_odd_files_are_named_too(small_checkpoint, folders, tmp_path, capsys):
    vi, ir = folders
    (vi / "broken.png").symlink_to("nowhere")
    (ir / "broken.png").write_bytes((ir / "0.png").read_bytes())
    (vi / "folder.png").mkdir()
    assert main(arguments(small_checkpoint, folders, tmp_path / "out")) == 1
    output = capsys.readouterr()
    assert "fused 5 of 6 pairs" in output.out
    assert output.err.startswith(f"error: {vi / 'broken.png'}: a link to a file that ")
    assert output.err.count("\n") == 1
    Image.new("L", (8, 8)).save(tmp_path / "a.webp")
    Image.new("L", (8, 8)).save(tmp_path / "b.webp")
    pair = tmp_path / "a.webp", tmp_path / "b.webp"
    assert main(arguments(small_checkpoint, pair, tmp_path / "webp")) == 1
    assert "--format, such as --format png" in capsys.readouterr().err
    assert main(arguments(small_checkpoint, pair, tmp_path / "webp", "--format=png")) == 1
    assert "a.webp: contains WebP; save it as PNG" in capsys.readouterr().err
    assert main(arguments(small_checkpoint, ("/dev/null", ir / "0.png"), tmp_path / "odd")) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "I;16"])
@pytest.mark.parametrize("color", ["auto", "grey", "limited", "full"])
def test_every_mode_of_file_and_colour(small_checkpoint, tmp_path, rng, mode, color):
    levels = rng.integers(0, 256, size=(9, 12, 3), dtype=np.uint8)
    i1 = Image.fromarray(levels[..., 0].astype(np.uint16) * 257)
    if mode != "I;16":
        i1 = Image.fromarray(levels).convert(mode)
    i1.save(tmp_path / "a.png")
    images.write(tmp_path / "b.png", levels[..., 1])
    pair = tmp_path / "a.png", tmp_path / "b.png"
    assert main(arguments(small_checkpoint, pair, tmp_path / "out", "--color", color)) == 0
    colourful = color == "limited" or (color != "grey" and mode in ("P", "RGBA"))
    fused = images.read(tmp_path / "out/a.png")
    assert fused.shape == ((9, 12, 3) if colourful else (9, 12))
    assert fused.dtype == (np.uint16 if mode == "I;16" else np.uint8)


@pytest.mark.parametrize("what", ["gone", "file", "folder", "ifnet"])
def test_unusable_checkpoints(folders, tmp_path, capsys, what):
    path = tmp_path / what
    if what == "file":
        path.write_bytes(b"FNet")
    elif what == "folder":
        path.mkdir()
    elif what == "ifnet":
        network = IFNet(**SMALL)
        params = network.init(jax.random.key(0), np.zeros((1, 8, 8, 1), np.float32))
        checkpoints.save(path, network, params)
    assert main(arguments(path, folders, tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}")
    assert error.count("\n") == 1


def test_a_damaged_checkpoint_gets_one_line(small_network, folders, tmp_path):
    checkpoints.save(tmp_path / "ckpt", *small_network)
    for file in (tmp_path / "ckpt/params").rglob("d/*"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    done = command.run("eval.fuse", *arguments("ckpt", folders, "out"), cwd=tmp_path)
    assert done.returncode == 1
    assert "has changed since it was written; copy the checkpoint" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_unusable_folders(small_checkpoint, folders, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").touch()
    for i1, out, message in [
        (tmp_path / "gone", tmp_path / "out", "no such file or directory"),
        (tmp_path / "empty", tmp_path / "out", "contains no image file"),
        (folders[0] / "0.png", tmp_path / "out", "two files or two folders"),
        (folders[0], tmp_path / "taken", "cannot be written"),
    ]:
        assert main(arguments(small_checkpoint, (i1, folders[1]), out)) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_too_little_memory_is_told(small_checkpoint, folders, tmp_path, capsys, monkeypatch):
    def fuse(*_, **__):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")

    monkeypatch.setattr(Fuser, "fuse", fuse)
    assert main(arguments(small_checkpoint, folders, tmp_path / "out")) == 1
    assert capsys.readouterr().err.count("not enough memory") == 5


def test_interruption_leaves_whole_files(small_checkpoint, tmp_path, rng):
    """Ctrl-C in the middle: exit status 130, no traceback, no half-written file."""
    for name in ("vi", "ir"):
        (tmp_path / name).mkdir()
        for i in range(400):
            images.write(
                tmp_path / f"{name}/{i}.png", rng.integers(0, 256, (160, 160)).astype("u1")
            )
    call = arguments(small_checkpoint, ("vi", "ir"), "out")
    # A shell that runs the tests in the background lets what they start ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", "eval.fuse", *call],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(command.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/[0-9]*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "stopped; the images fused so far are complete"
    written = names(tmp_path / "out")
    assert 0 < len(written) < 400
    for name in written:
        assert images.read(tmp_path / "out" / name).shape == (160, 160)


@pytest.mark.parametrize("redirected", [">/dev/full", "| true", "2>&-", ">&-"])
def test_work_is_done_though_nobody_listens(small_checkpoint, folders, tmp_path, redirected):
    call = " ".join([sys.executable, "-m eval.fuse", *arguments(small_checkpoint, folders, "out")])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {call} {redirected}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(command.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(names(tmp_path / "out")) == 5


def test_help_teaches(tmp_path):
    done = command.run("eval.fuse", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("I1", "I2", "visible", "near-infrared", "CT", "PET", "SPECT", "MRI", "--color"):
        assert word in done.stdout
    assert done.stdout.count("\n  python -m eval.fuse --") == 10
    assert "exit status: 0 if every pair was fused" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        *("--max-pixels=0", "--max-pixels=many", "--color=sepia", "--tile=0", "--tile=1e3"),
        *("--format=webp", "--ckpt=", "--sheet= ", "--out=other"),
    ],
)
def test_wrong_options_exit_with_2(small_checkpoint, folders, tmp_path, capsys, wrong):
    with pytest.raises(SystemExit) as stopped:
        main(arguments(small_checkpoint, folders, tmp_path / "out", wrong))
    assert stopped.value.code == 2
    assert wrong.split("=")[0] in capsys.readouterr().err


def test_samples_and_their_sheet(small_checkpoint, tmp_path):
    call = ["--ckpt", small_checkpoint, "--samples", "--out", "out", "--sheet", "out/sheet.png"]
    done = command.run("eval.fuse", *call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "contact sheet: out/sheet.png"
    fused = {path.stem for path in (tmp_path / "out").iterdir()} - {"sheet"}
    assert fused == {"synthetic_night_street", "synthetic_ct_mri", "synthetic_pet_mri"}
    height, width, channels = images.read(tmp_path / "out/sheet.png").shape
    assert height > 240 + 2 * 256
    assert width > 3 * 320
    assert channels == 3


def test_a_sheet_shows_what_was_fused(small_checkpoint, folders, tmp_path, capsys):
    images.write(folders[0] / "bad.png", np.zeros((5, 6), np.uint8))
    images.write(folders[1] / "bad.png", np.zeros((6, 5), np.uint8))
    call = arguments(small_checkpoint, folders, tmp_path / "out")
    sheet = tmp_path / "sheets/all.png"
    assert main([*call, "--sheet", str(sheet)]) == 1
    assert f"contact sheet: {sheet}" in capsys.readouterr().out
    rows = [(p.stem, p, folders[1] / f"{p.stem}.png") for p in images.find(folders[0])]
    shown = [(n, a, b, tmp_path / "out" / a.name) for n, a, b in rows if n != "bad"]
    np.testing.assert_array_equal(images.read(sheet), contact_sheet(shown))


def test_a_sheet_harms_nothing(small_checkpoint, folders, tmp_path, capsys):
    call = arguments(small_checkpoint, folders, tmp_path / "out")
    (tmp_path / "old.png").write_text("precious")
    for sheet, said in [
        ("sheet.txt", "not an image file"),
        ("old.png", "already exists"),
        ("vi/sheet.png", "is among source images"),
        ("out/0.jpg", "is the name of a fused image"),
        ("old.png/sheet.png", "cannot be written"),
    ]:
        assert main([*call, "--sheet", str(tmp_path / sheet)]) == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "old.png").read_text() == "precious"


def test_either_samples_or_images(small_checkpoint, folders, tmp_path, capsys):
    whole = arguments(small_checkpoint, folders, tmp_path / "out")
    start, one = whole[:2] + whole[-2:], whole[2:4]
    for wrong in (start, start + one, [*whole, "--samples"], [*start, *one, "--samples"]):
        with pytest.raises(SystemExit) as stop:
            main(wrong)
        assert stop.value.code == 2
        assert "either both --i1 and --i2, or --samples" in capsys.readouterr().err


def test_a_photo_of_a_thermal_camera_is_fused_alone(small_checkpoint, tmp_path, rng):
    photo(tmp_path / "photo.jpg", rng)
    call = ("photo.jpg", "--out", "fused", "--temperatures", "--ckpt", small_checkpoint)
    done = command.run("eval.fuse", *call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "fused")) == ["photo.celsius.tif", "photo.jpg"]
    fused = images.read(tmp_path / "fused/photo.jpg")
    assert fused.ndim == 3
    celsius = images.open(tmp_path / "fused/photo.celsius.tif").pixels
    assert celsius.shape == fused.shape[:2]
    thermal = images.open(tmp_path / "photo.jpg").pixels
    assert thermal.min() - 0.01 <= celsius.min() <= celsius.max() <= thermal.max() + 0.01
    other = command.run("eval.fuse", "photo.jpg", "--samples", "--out", "x", cwd=tmp_path)
    assert other.returncode == 2
    assert "use either files of thermal cameras, or --i1 and --i2" in other.stderr


def test_what_the_first_image_says_is_kept_unless_stripped(small_checkpoint, tmp_path, rng):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    visible = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    visible.save(tmp_path / "vi.jpg", exif=exif)
    images.write(tmp_path / "ir.png", rng.integers(0, 256, (12, 9), np.uint8))
    pair = tmp_path / "vi.jpg", tmp_path / "ir.png"
    for name, flags in (("kept", ()), ("stripped", ("--strip",))):
        assert main(arguments(small_checkpoint, pair, tmp_path / name, *flags)) == 0
        with Image.open(tmp_path / name / "vi.jpg") as fused:
            found = fused.getexif()
            assert fused.size == (9, 12)
        assert found.get(0x010F) == ("Maker" if name == "kept" else None)
        assert 0x0112 not in found


def test_images_of_degrees_need_no_flag_and_raw_counts_are_told(
    small_checkpoint, tmp_path, rng, capsys, caplog
):
    counts = rng.integers(6743, 7077, (9, 12), np.uint16)
    images.write(tmp_path / "ir.png", counts)
    images.write(tmp_path / "vi.png", np.full((9, 12), 128, np.uint8))
    pair = tmp_path / "vi.png", tmp_path / "ir.png"
    assert main(arguments(small_checkpoint, pair, tmp_path / "out")) == 0
    assert "ir.png: fills a small part of its range" in caplog.text + capsys.readouterr().err
    assert main(arguments(small_checkpoint, pair, tmp_path / "type", "--range=type")) == 0
    fused, plain = (images.read(tmp_path / name / "vi.png") for name in ("out", "type"))
    assert (fused != plain).any()


def test_a_killed_job_goes_on_by_the_same_command(small_checkpoint, tmp_path, rng):
    for name in ("vi", "ir"):
        (tmp_path / name).mkdir()
        for i in range(40):
            images.write(tmp_path / f"{name}/{i}.png", rng.integers(0, 256, (60, 60), np.uint8))
    call = [*map(str, arguments(small_checkpoint, ("vi", "ir"), "out")), "--resume"]
    environment = {**os.environ, "PYTHONPATH": str(command.ROOT)}
    for enough in (1, 15):
        process = subprocess.Popen(
            [sys.executable, "-m", "eval.fuse", *call], cwd=tmp_path, env=environment
        )
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("out/[0-9]*.png"))) < enough and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        process.wait()
    done = command.run("eval.fuse", *call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"fused 40 of 40 pairs \(\d+ of them earlier\)", done.stdout)
    assert len(images.find(tmp_path / "out")) == 40
    assert len(os.listdir(tmp_path / "out")) == 41  # and the record: no draft is left over
    again = command.run("eval.fuse", *call, cwd=tmp_path)
    assert again.returncode == 0
    assert "fused 40 of 40 pairs (40 of them earlier)" in again.stdout
