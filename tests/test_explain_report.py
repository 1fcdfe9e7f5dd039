"""The files of an explanation."""

import json

import numpy as np
import pytest
from PIL import Image
from test_page import Elements

from fnet_jax import Fuser, InputError, images
from fnet_jax.explain import report
from fnet_jax.explain.explanation import explain
from fnet_jax.explain.figures import drawings
from fnet_jax.pairs import Pair
from fnet_jax.synthetic import night_street
from fnet_jax.whatif import Edit


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


def test_what_is_there_is_kept_or_replaced(explained, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "drawings", lambda explanation: iter(()))
    folder = tmp_path / "street"
    report.check(folder, overwrite=False)
    folder.mkdir()
    report.check(folder, overwrite=False)  # an empty folder is no report
    report.write(folder, "street", explained, {})
    with pytest.raises(InputError, match=r"street: is there already; give --overwrite"):
        report.check(folder, overwrite=False)
    report.check(folder, overwrite=True)
    (folder / "old.txt").write_text("of the old report")
    report.write(folder, "street", explained, {})
    assert not (folder / "old.txt").exists()
    assert (folder / "report.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["street"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_things_are_never_replaced(tmp_path, overwrite):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/holiday.jpg").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    for name in ("pictures", "file"):
        with pytest.raises(InputError, match=f"{name}: is there already and is no report"):
            report.check(tmp_path / name, overwrite=overwrite)


def test_a_report_is_written_whole_or_not_at_all(explained, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "_save", full)
    with pytest.raises(InputError, match=r"street: cannot be written \(No space left"):
        report.write(tmp_path / "street", "street", explained, {})
    assert list(tmp_path.iterdir()) == []


def test_sixteen_bits_are_shown_at_eight(small_network, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "drawings", lambda explanation: iter(()))
    i1 = np.linspace(0, 65535, 72).reshape(8, 9).astype(np.uint16)
    report.write(tmp_path / "a", "a", explain(Fuser(*small_network), i1, i1), {})
    assert images.read(tmp_path / "a/fused.png").dtype == np.uint16


def test_origin_names_weights_and_images(small_network, tmp_path):
    for name, level in (("a", 1), ("b", 2)):
        images.write(tmp_path / f"{name}.png", np.full((3, 3), level, np.uint8))
    fuser = Fuser(*small_network)
    one, other = (
        report.origin_of(fuser, Pair(tmp_path / "a.png", tmp_path / f"{name}.png"))
        for name in ("a", "b")
    )
    differ = {name for name in one if one[name] != other[name]}
    assert differ == {"I1 and I2 (SHA-256)"}
    assert "matplotlib" in one["versions"]
