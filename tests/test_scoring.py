import re

import numpy as np
import pytest
from PIL import Image

from fnet_jax import images, metrics, scoring
from fnet_jax.errors import InputError


@pytest.fixture
def folders(tmp_path, rng):
    """Three pairs of noise, and what two methods made of them: the mean, and I1 itself."""
    for folder in ("vi", "ir", "mean", "first"):
        (tmp_path / folder).mkdir()
    for name in ("b", "a", "c"):
        I1, I2 = rng.integers(0, 256, (2, 44, 50), np.uint8)
        images.write(tmp_path / f"vi/{name}.png", I1)
        images.write(tmp_path / f"ir/{name}.png", I2)
        images.write(tmp_path / f"mean/{name}.bmp", (I1 // 2 + I2 // 2).astype(np.uint8))
        images.write(tmp_path / f"first/{name}.png", I1)
    return tmp_path


def find(folders, **methods):
    given = {name: folders / folder for name, folder in methods.items()}
    return scoring.find_scenes(folders / "vi", folders / "ir", given)


def scored(folders, **options):
    scenes, _ = find(folders, mean="mean", first="first")
    return scoring.score(scenes, workers=1, **options)


def test_scenes_are_put_together_by_name(folders):
    scenes, problems = find(folders, mean="mean", first="first")
    assert not problems
    assert [scene.name for scene in scenes] == ["a", "b", "c"]
    for scene in scenes:
        assert {path.stem for path in (scene.i1, scene.i2, *scene.fused.values())} == {scene.name}
        assert scene.fused["mean"].suffix == ".bmp"


def test_values_are_those_of_evaluate(folders):
    scores = scored(folders, metrics=["MSE", "MI"])
    assert scores.metrics == ("MI", "MSE")  # the order of tables
    assert scores.methods == ("mean", "first")
    assert scores.images == ("a", "b", "c")
    assert scores.values.shape == (2, 3, 2)
    for j, name in enumerate(scores.images):
        I1, I2, If = (
            images.read(folders / f)
            for f in (f"vi/{name}.png", f"ir/{name}.png", f"mean/{name}.bmp")
        )
        expected = metrics.evaluate(I1, I2, If)
        assert scores.values[0, j].tolist() == [expected["MI"], expected["MSE"]]


def test_processes_give_what_one_gives(folders):
    scenes, _ = find(folders, mean="mean", first="first")
    alone = scoring.score(scenes, workers=1)
    done = []

    def progress(outcomes, total):
        assert total == 3
        for outcome in outcomes:
            done.append(outcome.name)
            yield outcome

    together = scoring.score(scenes, workers=2, progress=progress)
    np.testing.assert_array_equal(together.values, alone.values)
    assert sorted(done) == ["a", "b", "c"]


def test_what_has_no_partner_is_told_once(folders):
    (folders / "mean/b.bmp").unlink()
    (folders / "ir/c.png").unlink()
    images.write(folders / "first/z.png", np.zeros((4, 4), np.uint8))
    scenes, problems = find(folders, mean="mean", first="first")
    assert [(scene.name, set(scene.fused)) for scene in scenes] == [
        ("a", {"mean", "first"}),
        ("b", {"first"}),
    ]
    for file in ("vi/c.png", "vi/b.png", "first/z.png", "mean/c.bmp"):
        assert sum(line.startswith(f"{folders / file}: ") for line in problems) == 1, file


def test_a_missing_image_is_nan_for_that_method_alone(folders):
    (folders / "mean/b.bmp").unlink()
    values = scored(folders).values
    assert np.isnan(values[0, 1]).all()
    assert np.isfinite(values[1, 1]).any()
    assert np.isfinite(values[:, 0]).any()


@pytest.mark.parametrize(
    ("spoil", "file", "message", "lost"),
    [
        (lambda p: p.write_bytes(b"\x89PNG"), "vi/a.png", "not an image|damaged", 2),
        (lambda p: p.write_bytes(b""), "first/a.png", "the file is empty", 1),
        (lambda p: Image.new("L", (9, 44)).save(p), "first/a.png", "is 9×44 but .* is 50×44", 1),
        (lambda p: Image.new("L", (9, 44)).save(p), "ir/a.png", "register them to one size", 2),
    ],
)
def test_a_bad_file_is_named_and_stops_no_other(folders, spoil, file, message, lost):
    spoil(folders / file)
    lines: list[str] = []
    values = scored(folders, report=lines.append).values
    assert len(lines) == 1
    assert str(folders / file) in lines[0]
    assert re.search(message, lines[0])
    assert np.isnan(values).all(axis=2).sum() == lost
    assert np.isfinite(values[:, 1:]).any(axis=2).all()


def test_sixteen_bits_are_scored_as_eight(folders, rng):
    scenes, _ = find(folders, mean="mean")
    eight = scoring.score(scenes, workers=1)
    for path in (folders / "mean").iterdir():
        images.write(path.with_suffix(".png"), images.read(path).astype(np.uint16) * 257)
        path.unlink()
    scenes, _ = find(folders, mean="mean")
    np.testing.assert_array_equal(scoring.score(scenes, workers=1).values, eight.values)


def test_single_files(folders):
    files = [folders / f for f in ("vi/a.png", "ir/b.png", "first/c.png")]
    scenes, problems = scoring.find_scenes(*files[:2], {"X": files[2]})
    assert (len(scenes), problems) == (1, [])
    assert scenes[0].fused == {"X": files[2]}
    with pytest.raises(InputError, match="is no file, as"):
        scoring.find_scenes(*files[:2], {"X": folders / "mean"})


def test_nothing_to_score_is_refused(folders):
    with pytest.raises(InputError, match="no such file or folder"):
        find(folders, X="nowhere")
    (folders / "other").mkdir()
    images.write(folders / "other/q.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match=r"other: has no fused image .* such as a\.png"):
        find(folders, X="other")
    with pytest.raises(InputError, match="nothing to score"):
        scoring.score([])
    for path in (folders / "vi").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="every image failed"):
        scored(folders, report=lambda line: None)


def test_unknown_names_are_refused(folders):
    with pytest.raises(InputError, match="no profile is called 'mine'"):
        scored(folders, profile="mine")
    with pytest.raises(InputError, match="profile vifb has no metric 'CC'"):
        scored(folders, profile="vifb", metrics=["CC"])
