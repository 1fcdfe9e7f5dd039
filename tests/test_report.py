import numpy as np
import pytest

from fnet_jax import images, report, scoring
from fnet_jax.comparison import compare
from fnet_jax.errors import InputError


@pytest.fixture
def scenes(tmp_path, rng):
    paths = {}
    for name in ("a", "b"):
        for folder in ("vi", "ir", "fused"):
            (tmp_path / folder).mkdir(exist_ok=True)
            paths[folder] = tmp_path / folder / f"{name}.png"
            images.write(paths[folder], rng.integers(0, 256, (12, 14), np.uint8))
    return scoring.find_scenes(tmp_path / "vi", tmp_path / "ir", {"X": tmp_path / "fused"})[0]


def test_a_report_is_six_files(scenes, tmp_path):
    scores = scoring.score(scenes, metrics=["MI", "EN"], workers=1)
    origin = report.provenance_of(scenes, scores)
    out = tmp_path / "deep" / "out"
    report.check(out, overwrite=False)
    report.write(out, scenes, scores, compare(scores), origin)
    assert sorted(path.name for path in out.iterdir()) == sorted(report.FILES)
    for name in ("scores.json", "scores.md", "scores.html", "scores.tex"):
        assert origin["sources (SHA-256)"] in (out / name).read_text(), name
    with pytest.raises(InputError, match=r"scores\.csv: is there already; give --overwrite"):
        report.check(out, overwrite=False)
    report.check(out, overwrite=True)


def test_an_image_that_cannot_be_read_any_more_is_left_out_of_the_page(scenes, tmp_path):
    scores = scoring.score(scenes, metrics=["MI", "EN"], workers=1)
    origin = report.provenance_of(scenes, scores)
    scenes[0].i2.unlink()
    report.write(tmp_path, scenes, scores, compare(scores), origin)
    assert (tmp_path / "scores.html").read_text().count("data:image/jpeg") == 5


def test_provenance_follows_the_files(scenes):
    scores = scoring.score(scenes, metrics=["MI"], workers=1)
    before = report.provenance_of(scenes, scores)
    assert report.provenance_of(scenes, scores) == before
    fused, sources = "fused images of X (SHA-256)", "sources (SHA-256)"
    images.write(scenes[1].fused["X"], np.zeros((12, 14), np.uint8), overwrite=True)
    after = report.provenance_of(scenes, scores)
    assert after[fused] != before[fused]
    assert after[sources] == before[sources]
    images.write(scenes[1].i1, np.zeros((12, 14), np.uint8), overwrite=True)
    assert report.provenance_of(scenes, scores)[sources] != before[sources]
