import csv
import errno
import json
import os

import numpy as np
import pytest
from made_up_files import cut, drawn
from made_up_scores import compared
from PIL import Image

from fnet_jax.artifacts import provenance
from fnet_jax.errors import InputError
from fnet_jax.scoring import report
from fnet_jax.scoring.run import find_scenes, score

NAMES = ("1", "2", "3")


def scenes_in(folder):
    """Three pairs in vi/ and ir/ of a folder, fused by the methods A and B."""
    scenes, problems = find_scenes(
        folder / "vi", folder / "ir", {"A": folder / "A", "B": folder / "B"}
    )
    assert problems == []
    return scenes


def scored(scenes, *, profile="paper"):
    return score(scenes, profile=profile, metrics=("MI", "CE"), workers=1, report=lambda line: None)


def made(rng, folder):
    for name in ("vi", "ir", "A", "B"):
        drawn(rng, folder / name, *(f"{name}.png" for name in NAMES))
    return scenes_in(folder)


def written(folder, scenes):
    """Scores scenes and writes their report; returns the scores and the provenance."""
    scores = scored(scenes)
    origin = report.provenance_of(scenes, scores)
    report.check(folder, overwrite=True)
    report.write(folder, scenes, scores, compared(scores), origin)
    return scores, origin


def test_six_files_are_written_whole_and_agree(tmp_path, rng):
    scenes = made(rng, tmp_path)
    out = tmp_path / "new/out"
    scores, origin = written(out, scenes)
    assert sorted(path.name for path in out.iterdir()) == sorted(report.FILES)  # and no other file
    texts = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}

    rows = list(csv.DictReader(texts["scores.csv"].splitlines()))
    assert [(row["image"], row["method"]) for row in rows] == [(i, m) for i in NAMES for m in "AB"]
    values = [[float(row[metric]) for metric in scores.metrics] for row in rows]
    np.testing.assert_array_equal(np.reshape(values, (3, 2, -1)).swapaxes(0, 1), scores.values)
    means = scores.values.mean(axis=1)
    rows = list(csv.DictReader(texts["means.csv"].splitlines()))
    assert [float(row["mean"]) for row in rows] == pytest.approx(means.ravel())
    read = json.loads(texts["scores.json"])
    assert read["provenance"] == origin
    assert read["means"]["B"]["CE"]["mean"] == pytest.approx(means[1, 1])

    assert texts["scores.md"].endswith("\n")
    assert texts["scores.tex"].endswith("\\end{tabular}\n")
    assert texts["scores.html"].rstrip().endswith("</html>")
    for name in ("scores.json", "scores.md", "scores.tex", "scores.html"):
        for value in (origin["date"], origin["sources (SHA-256)"]):
            assert value in texts[name], name


def test_the_page_shows_the_files_that_can_be_read(tmp_path, rng):
    scenes = made(rng, tmp_path)
    written(tmp_path / "whole", scenes)
    whole = (tmp_path / "whole/scores.html").read_text(encoding="utf-8")
    shown = whole.count('src="data:image/')
    assert shown >= 2 * 4  # the best and the worst pair of a method, each with both results
    cut(scenes[0].fused["A"])  # whose pair is shown for B
    written(tmp_path / "damaged", scenes)
    damaged = (tmp_path / "damaged/scores.html").read_text(encoding="utf-8")
    assert 0 < damaged.count('src="data:image/') < shown


@pytest.mark.parametrize("name", report.FILES)
def test_a_report_is_replaced_only_if_asked(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(InputError) as refused:
        report.check(tmp_path, overwrite=False)
    assert str(refused.value).startswith(f"{tmp_path / name} already exists; use --overwrite")
    assert (tmp_path / name).read_text() == "precious"
    report.check(tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() == "precious"  # until there is something better


def test_folders_are_made_and_other_files_in_them_are_left_alone(tmp_path, rng):
    report.check(tmp_path / "a/b", overwrite=False)
    assert (tmp_path / "a/b").is_dir()
    (tmp_path / "a/b/notes.md").write_text("mine")
    report.check(tmp_path / "a/b", overwrite=False)
    scenes = made(rng, tmp_path)
    written(tmp_path / "a/b", scenes[:2])
    written(tmp_path / "a/b", scenes)
    assert len((tmp_path / "a/b/scores.csv").read_text().splitlines()) == 1 + 3 * 2
    assert (tmp_path / "a/b/notes.md").read_text() == "mine"


def test_what_cannot_be_written_is_named(tmp_path, rng):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(InputError) as refused:
            report.check(folder, overwrite=True)
        assert str(refused.value).startswith(f"{folder}: cannot be written (")
        assert str(refused.value).endswith("or use another --out")
    (tmp_path / "out/scores.tex").mkdir(parents=True)
    with pytest.raises(InputError, match=r"out/scores.tex is a folder; use another --out"):
        report.check(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("fits", range(len(report.FILES)))
def test_a_disk_that_fills_leaves_the_old_report(tmp_path, rng, monkeypatch, fits):
    scenes = made(rng, tmp_path)
    out = tmp_path / "out"
    written(out, scenes[:2])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    room, fsync = iter(range(fits)), os.fsync

    def fill(file):
        fsync(file)
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(InputError, match=r"out: cannot be written \(no space left on device\)"):
        written(out, scenes)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def provenance_in(folder):
    scenes = scenes_in(folder)
    return report.provenance_of(scenes, scored(scenes))


def change_a_pixel(path):
    levels = np.array(Image.open(path))
    levels[0, 0] ^= 1
    Image.fromarray(levels).save(path)


def rename(folder):
    for name in ("vi", "ir", "A", "B"):
        (folder / name / "2.png").rename(folder / name / "20.png")


def swap(one, two):
    """Exchanges the contents of two files."""
    contents = one.read_bytes(), two.read_bytes()
    two.write_bytes(contents[0])
    one.write_bytes(contents[1])


SOURCES, OF_A, OF_B = (
    "sources (SHA-256)",
    "fused images of A (SHA-256)",
    "fused images of B (SHA-256)",
)


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda folder: None, set()),
        (lambda folder: (folder / "A/3.png").touch(), set()),
        (lambda folder: change_a_pixel(folder / "vi/1.png"), {SOURCES}),
        (lambda folder: change_a_pixel(folder / "ir/3.png"), {SOURCES}),
        (lambda folder: change_a_pixel(folder / "A/2.png"), {OF_A}),
        (lambda folder: swap(folder / "B/1.png", folder / "B/2.png"), {OF_B}),
        (lambda folder: swap(folder / "vi/1.png", folder / "ir/1.png"), {SOURCES}),
        (lambda folder: swap(folder / "A/1.png", folder / "B/1.png"), {OF_A, OF_B}),
        (rename, {SOURCES, OF_A, OF_B}),
    ],
    ids=["none", "time", "vi", "ir", "fused", "images", "sources", "methods", "name"],
)
def test_provenance_changes_with_bytes_and_names(tmp_path, rng, monkeypatch, change, changed):
    monkeypatch.setattr(provenance, "today", lambda: "2026-01-31")
    made(rng, tmp_path)
    before = provenance_in(tmp_path)
    assert {SOURCES, OF_A, OF_B} < set(before)
    change(tmp_path)
    after = provenance_in(tmp_path)
    assert {key for key in before if before[key] != after[key]} == changed
    assert list(after) == list(before)


def test_provenance_does_not_depend_on_where_the_images_are(tmp_path, rng):
    made(rng, tmp_path)
    before = provenance_in(tmp_path)
    (tmp_path / "moved").mkdir()
    for name in ("vi", "ir", "A", "B"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert provenance_in(tmp_path / "moved") | {"date": before["date"]} == before


def test_provenance_says_how_and_when(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(provenance, "today", lambda: "2026-01-31")
    scenes = made(rng, tmp_path)
    scores = scored(scenes, profile="textbook")
    origin = report.provenance_of(scenes, scores)
    assert origin["profile"].startswith("textbook: the definitions")
    assert origin["date"] == "2026-01-31"
    for package in ("fnet-jax", "Python", *provenance.SCORING):
        assert f"{package} " in origin["versions"]
