"""The files of an explanation."""

import base64
import io
import json

import browser
import numpy as np
import pytest
from html_elements import Elements
from PIL import Image

from fnet_jax import Fuser, InputError, images
from fnet_jax.explain import report
from fnet_jax.explain.explanation import explain
from fnet_jax.explain.figures import drawings
from fnet_jax.fusing.edits import Edit
from fnet_jax.pairs.match import Pair
from fnet_jax.synthetic import night_street


@pytest.fixture(scope="module")
def explained(small_network):
    return explain(Fuser(*small_network), *night_street(20, 24), edit=Edit(c=0.5), strongest=1)


@pytest.fixture(scope="module")
def written(explained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "new" / "street"
    steps = []
    report.write(folder, "street", explained, {"date": "today"}, advance=lambda: steps.append(1))
    assert len(steps) == report.COUNT + 1
    return folder


def test_every_file_is_there(written, explained):
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    figures = {drawing.name for drawing in drawings(explained)}
    assert names == {
        *("report.html", "numbers.json", "arrays.npz", "fused.png", "edited.png"),
        *(f"figures/{name}.{suffix}" for name in figures for suffix in ("png", "svg")),
    }
    assert [path.name for path in written.parent.iterdir()] == ["street"]


def test_files_hold_what_was_explained(written, explained):
    numbers = json.loads((written / "numbers.json").read_text())
    assert numbers == {"pair": "street", **explained.numbers(), "origin": {"date": "today"}}
    with np.load(written / "arrays.npz", allow_pickle=False) as arrays:
        expected = explained.arrays()
        assert set(arrays) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(arrays[name], array)
    np.testing.assert_array_equal(images.read(written / "fused.png"), explained.fused)
    np.testing.assert_array_equal(images.read(written / "edited.png"), explained.edited)


def test_figures_can_be_read(written):
    for path in (written / "figures").glob("*.png"):
        with Image.open(path) as image:
            assert image.width == 12 * report.DOTS
        text = path.with_suffix(".svg").read_text()
        assert "<svg" in text
        assert "http" not in text.replace("http://www.w3.org", "").replace("dublincore", "")
    page = Elements((written / "report.html").read_text())
    assert len(page.all("img")) == 4 + report.COUNT + 1


def test_a_browser_shows_it(written, tmp_path):
    shown, height, asked, console = browser.look(written / "report.html", tmp_path / "seen.png")
    (written / "probed-report.html").unlink()
    assert shown  # every image
    assert height > 5000
    assert asked == 0
    assert console == []


def test_what_is_there_is_kept_or_replaced(explained, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "drawings", lambda explanation: iter(()))
    folder = tmp_path / "street"
    report.check(folder, overwrite=False)
    folder.mkdir()
    report.check(folder, overwrite=False)  # an empty folder is no report
    report.write(folder, "street", explained, {})
    with pytest.raises(InputError, match=r"street already exists; use --overwrite"):
        report.check(folder, overwrite=False)
    report.check(folder, overwrite=True)
    (folder / "arrays.npz").write_bytes(b"of the old report")
    report.write(folder, "street", explained, {})
    assert (folder / "arrays.npz").stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["street"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_things_are_never_replaced(explained, tmp_path, overwrite):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/holiday.jpg").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    for name in ("report.html", "numbers.json", "notes.txt"):
        (tmp_path / "report").mkdir(exist_ok=True)
        (tmp_path / "report" / name).write_bytes(b"precious")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/report.html").write_bytes(b"precious")
    for name in ("pictures", "file", "report", "page"):
        with pytest.raises(InputError, match=f"{name} already exists and holds other files"):
            report.check(tmp_path / name, overwrite=overwrite)
        with pytest.raises(InputError, match=f"{name} already exists"):
            report.write(tmp_path / name, name, explained, {})
    assert (tmp_path / "report/notes.txt").read_bytes() == b"precious"


def test_a_folder_that_cannot_be_is_named(tmp_path):
    with pytest.raises(InputError, match=r"xxx: cannot be written \(file name too long\)"):
        report.check(tmp_path / ("x" * 300), overwrite=False)


def test_a_report_is_written_whole_or_not_at_all(explained, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "_save", full)
    with pytest.raises(InputError, match=r"street: cannot be written \(no space left"):
        report.write(tmp_path / "street", "street", explained, {})
    assert list(tmp_path.iterdir()) == []


def test_sixteen_bits_are_shown_at_eight(small_network, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "drawings", lambda explanation: iter(()))
    i1 = np.linspace(0, 65535, 72).reshape(8, 9).astype(np.uint16)
    report.write(tmp_path / "a", "a", explain(Fuser(*small_network), i1, i1), {})
    fused = images.read(tmp_path / "a/fused.png")
    assert fused.dtype == np.uint16
    page = Elements((tmp_path / "a/report.html").read_text())
    source = next(img["src"] for img in page.all("img") if img["alt"] == "fused")
    with Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(image, np.rint(fused / 257))


def test_origin_names_weights_and_images(small_network, tmp_path):
    for name, level in (("a", 1), ("b", 2)):
        images.write(tmp_path / f"{name}.png", np.full((3, 3), level, np.uint8))
    fuser = Fuser(*small_network)
    one, other = (
        report.origin_of(fuser, Pair(tmp_path / "a.png", tmp_path / f"{name}.png"), color="full")
        for name in ("a", "b")
    )
    differ = {name for name in one if one[name] != other[name]}
    assert differ == {"I2", "I1 and I2 (SHA-256)"}
    assert (one["I1"], one["color"]) == ("a.png", "full")
    assert "matplotlib" in one["versions"]
