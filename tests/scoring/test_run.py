import multiprocessing
import unicodedata

import numpy as np
import pytest
from made_up_files import FEW, cut, drawn, scored

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.metrics import PROFILES, evaluate
from fnet_jax.scoring import run
from fnet_jax.scoring.report import provenance_of
from fnet_jax.scoring.run import find_scenes, read, score


@pytest.fixture
def folders(tmp_path, rng):
    """Three pairs in vi/ and ir/, fused by the methods A and B."""
    return {
        name: drawn(rng, tmp_path / name, "1.png", "2.png", "3.png")
        for name in ("vi", "ir", "A", "B")
    }


def scenes_of(folders, *, methods=("A", "B")):
    scenes, problems = find_scenes(
        folders["vi"], folders["ir"], {name: folders[name] for name in methods}
    )
    assert problems == []
    return scenes


def literal(scene, method, *, metrics=FEW, profile="paper"):
    """The values of one fused image, from its files."""
    triple = (images.read(path) for path in (scene.i1, scene.i2, scene.fused[method]))
    return list(evaluate(*triple, profile=profile, metrics=metrics).values())


def test_images_are_paired_by_name_never_by_position(tmp_path, rng):
    vi = drawn(rng, tmp_path / "vi", "a.png", "b.tif", "c.png")
    ir = drawn(rng, tmp_path / "ir", "b.png", "c.PNG", "d.png")
    fused = drawn(rng, tmp_path / "fused", "c.bmp", "b.png")
    scenes, problems = find_scenes(vi, ir, {"A": fused})
    assert [(s.name, s.i1, s.i2, dict(s.fused)) for s in scenes] == [
        ("b", vi / "b.tif", ir / "b.png", {"A": fused / "b.png"}),
        ("c", vi / "c.png", ir / "c.PNG", {"A": fused / "c.bmp"}),
    ]
    assert len(problems) == 2
    assert problems[0].startswith(f"{vi / 'a.png'}: has no partner")
    assert problems[1].startswith(f"{ir / 'd.png'}: has no partner")
    scores, _ = scored(scenes)
    assert scores.images == ("b", "c")
    np.testing.assert_array_equal(scores.values[0], [literal(scene, "A") for scene in scenes])


def test_accents_are_matched_however_they_are_written(tmp_path, rng):
    vi, ir, fused = (
        drawn(rng, tmp_path / folder, unicodedata.normalize(form, "café.png"))
        for folder, form in (("vi", "NFC"), ("ir", "NFD"), ("fused", "NFD"))
    )
    scenes, problems = find_scenes(vi, ir, {"A": fused})
    assert [list(scene.fused) for scene in scenes] == [["A"]]
    assert problems == []


def test_methods_are_scored_side_by_side(folders):
    scenes = scenes_of(folders)
    scores, lines = scored(scenes)
    assert lines == []
    assert (scores.profile, scores.metrics) == ("paper", FEW)
    assert (scores.methods, scores.images) == (("A", "B"), ("1", "2", "3"))
    expected = [[literal(scene, method) for scene in scenes] for method in "AB"]
    np.testing.assert_array_equal(scores.values, expected)
    assert len(np.unique(scores.values)) == scores.values.size  # so that a mistake would show


def test_images_are_sorted_whatever_the_order_of_scenes(folders):
    scenes = scenes_of(folders)
    scores, _ = scored(scenes[::-1])
    assert scores.images == ("1", "2", "3")
    np.testing.assert_array_equal(scores.values, scored(scenes)[0].values)


def test_a_fused_image_that_is_missing_is_named_and_undefined(folders):
    (folders["B"] / "2.png").unlink()
    scenes, problems = find_scenes(
        folders["vi"], folders["ir"], {name: folders[name] for name in "AB"}
    )
    assert [list(scene.fused) for scene in scenes] == [["A", "B"], ["A"], ["A", "B"]]
    assert len(problems) == 1
    assert f"has no partner 2.* in {folders['B']}" in problems[0]
    scores, lines = scored(scenes)
    assert lines == []
    assert np.isnan(scores.values).all(axis=2).tolist() == [[False] * 3, [False, True, False]]
    assert not np.isnan(scores.values[0]).any()


def test_scenes_that_no_method_fused_are_left_out(folders):
    for method in "AB":
        (folders[method] / "1.png").unlink()
    scenes, problems = find_scenes(
        folders["vi"], folders["ir"], {name: folders[name] for name in "AB"}
    )
    assert [scene.name for scene in scenes] == ["2", "3"]
    assert [line.split(" has ")[1] for line in problems] == [
        f"no partner 1.* in {folders[method]}; add or rename it" for method in "AB"
    ]


def test_fused_images_without_or_with_several_sources_are_named(folders, rng):
    drawn(rng, folders["A"], "4.png", "2.jpg")
    scenes, problems = find_scenes(folders["vi"], folders["ir"], {"A": folders["A"]})
    assert [scene.name for scene in scenes] == ["1", "3"]
    assert len(problems) == 2
    assert "several files have this name (2.png, 2.jpg, 2.png); keep one of I1" in problems[0]
    assert problems[1].startswith(f"{folders['A'] / '4.png'}: has no partner 4.* in")


def test_a_fused_image_of_another_size_is_named_and_undefined(folders, rng):
    drawn(rng, folders["A"], "2.png", size=(24, 20))
    scores, lines = scored(scenes_of(folders))
    assert len(lines) == 1
    assert lines[0].startswith(f"{folders['A'] / '2.png'} is 20×24 but {folders['vi']}")
    assert "is 40×48; use fused images of the sources' size" in lines[0]
    assert np.isnan(scores.values).all(axis=2).tolist() == [[False, True, False], [False] * 3]


def test_sources_of_two_sizes_are_named_and_undefined(folders, rng):
    drawn(rng, folders["ir"], "3.png", size=(48, 41))
    scores, lines = scored(scenes_of(folders))
    assert len(lines) == 1
    assert lines[0].startswith(f"{folders['vi'] / '3.png'} is 40×48 but {folders['ir']}")
    assert "is 41×48; register" in lines[0]
    assert np.isnan(scores.values).all(axis=2).tolist() == [[False, False, True]] * 2


@pytest.mark.parametrize("folder", ["vi", "ir", "B"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "damaged or cut short"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"text"), "not in a known image format"),
    ],
    ids=["cut", "empty", "text"],
)
def test_a_damaged_file_is_named_and_stops_no_other(folders, folder, damage, message):
    scenes = scenes_of(folders)
    whole, _ = scored(scenes)
    damage(folders[folder] / "2.png")
    scores, lines = scored(scenes)
    assert len(lines) == 1
    assert lines[0].startswith(f"{folders[folder] / '2.png'}: {message}")
    lost = np.zeros((2, 3), bool)
    lost[1 if folder == "B" else slice(None), 1] = True
    assert (np.isnan(scores.values).all(axis=2) == lost).all()
    np.testing.assert_array_equal(scores.values[~lost], whole.values[~lost])


def test_a_file_that_went_away_is_named(folders):
    scenes = scenes_of(folders)
    (folders["A"] / "1.png").unlink()
    _, lines = scored(scenes)
    assert lines == [f"{folders['A'] / '1.png'}: no such file; check the name"]


def test_too_little_memory_is_named_and_stops_no_other(folders, monkeypatch):
    calls = []

    def evaluate_or_not(*images, **options):
        calls.append(None)
        if len(calls) == 2:
            raise MemoryError
        return evaluate(*images, **options)

    monkeypatch.setattr(run, "evaluate", evaluate_or_not)
    scores, lines = scored(scenes_of(folders))
    assert len(lines) == 1
    assert lines[0].startswith(f"{folders['B'] / '1.png'}: not enough memory for 40×48 pixels")
    assert np.isnan(scores.values).all(axis=2).sum() == 1


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    levels = np.array([[0, 128, 129, 257, 32767, 65406, 65407, 65535]], np.uint16)
    images.write(tmp_path / "a.png", levels)
    eight = read(tmp_path / "a.png")
    assert eight.dtype == np.uint8
    assert eight.tolist() == [[0, 0, 1, 1, 127, 254, 255, 255]]  # the nearest, 257 to a level


def test_sources_of_sixteen_bits_are_scored_as_those_of_eight(folders):
    scenes = scenes_of(folders)
    before, _ = scored(scenes)
    for scene in scenes[:2]:
        for path in (scene.i1, scene.fused["A"]):
            images.write(path, images.read(path).astype(np.uint16) * 257, overwrite=True)
    assert images.read(scenes[0].i1).dtype == np.uint16
    np.testing.assert_array_equal(scored(scenes)[0].values, before.values)


@pytest.mark.parametrize("profile", PROFILES)
def test_colour_is_scored_as_the_profile_says(folders, rng, profile):
    drawn(rng, folders["vi"], "1.png", size=(48, 40, 3))
    drawn(rng, folders["A"], "1.png", size=(48, 40, 3))
    scenes = scenes_of(folders)
    assert read(scenes[0].i1).shape == (48, 40, 3)
    metrics = ("MI", "CE", "PSNR")
    scores, lines = scored(scenes, profile=profile, metrics=metrics)
    assert lines == []
    expected = [
        [literal(scene, method, metrics=metrics, profile=profile) for scene in scenes]
        for method in "AB"
    ]
    np.testing.assert_array_equal(scores.values, expected)


def test_single_files_need_no_common_name(tmp_path, rng):
    files = drawn(rng, tmp_path / "x", "day.png", "heat.png", "one.png", "two.png")
    day, heat = files / "day.png", files / "heat.png"
    scenes, problems = find_scenes(day, heat, {"A": files / "one.png", "B": files / "two.png"})
    assert problems == []
    scores, _ = scored(scenes)
    assert (scores.methods, scores.images) == (("A", "B"), ("day",))
    np.testing.assert_array_equal(
        scores.values[:, 0], [literal(scenes[0], method) for method in "AB"]
    )


def test_unusable_folders_are_refused(folders, tmp_path, rng):
    (tmp_path / "empty").mkdir()
    drawn(rng, tmp_path / "others", "7.png")
    vi, ir = folders["vi"], folders["ir"]
    for fused, message in [
        (tmp_path / "gone", "gone does not exist; check the name"),
        (tmp_path / "empty", "empty contains no image file"),
        (
            tmp_path / "others",
            "others has no fused image with the name of a source, such as 1.png",
        ),
        (folders["A"] / "1.png", "1.png is not a folder, but there are several sources"),
    ]:
        with pytest.raises(InputError, match=message):
            find_scenes(vi, ir, {"A": folders["A"], "B": fused})
    with pytest.raises(InputError, match="A is not a file, but .*1.png is"):
        find_scenes(vi / "1.png", ir / "1.png", {"A": folders["A"]})
    with pytest.raises(InputError, match="gone: no such file or directory"):
        find_scenes(tmp_path / "gone", ir, {"A": folders["A"]})
    with pytest.raises(InputError, match="two files or two folders"):
        find_scenes(vi, ir / "1.png", {"A": folders["A"]})


def test_profiles_and_metrics_are_those_asked_for(folders):
    scenes = scenes_of(folders)[:1]
    assert scored(scenes, metrics=None)[0].metrics == tuple(PROFILES["paper"].options)
    assert scored(scenes, metrics=None, profile="vifb")[0].metrics == tuple(
        PROFILES["vifb"].options
    )
    assert scored(scenes, metrics=["SD", "MI"])[0].metrics == ("MI", "SD")  # the order of tables
    paper, textbook = (
        scored(scenes, metrics=["MI"], profile=profile)[0] for profile in ("paper", "textbook")
    )
    assert textbook.profile == "textbook"
    np.testing.assert_allclose(paper.values, textbook.values * np.log(2))  # nats and bits
    with pytest.raises(InputError, match="unknown profile 'papr'; use one of paper, vifb"):
        scored(scenes, profile="papr")
    with pytest.raises(InputError, match="profile vifb has no metric 'VIF'; it has MI, CE"):
        scored(scenes, profile="vifb", metrics=["MI", "VIF"])


def test_nothing_scored_is_an_error(folders):
    with pytest.raises(InputError, match="there is nothing to score"):
        score([], workers=1)
    scenes = scenes_of(folders)
    for path in folders["vi"].iterdir():
        cut(path)
    lines = []
    with pytest.raises(InputError, match="no image could be scored; see the errors above"):
        score(scenes, metrics=FEW, workers=1, report=lines.append)
    assert len(lines) == 3


def test_progress_is_told_of_each_scene(folders):
    told = []

    def progress(outcomes, /, *, total, desc):
        told.append(total)
        for outcome in outcomes:
            told.append(outcome.name)
            yield outcome

    cut(folders["vi"] / "2.png")
    scored(scenes_of(folders), progress=progress)
    assert told == [3, "1", "2", "3"]


def test_processes_change_nothing_but_the_time(folders):
    cut(folders["vi"] / "2.png")
    cut(folders["B"] / "3.png")
    scenes = scenes_of(folders)
    one, lines_of_one = scored(scenes, metrics=None, workers=1)
    two, lines_of_two = scored(scenes, metrics=None, workers=2)
    assert (one.methods, one.images, one.metrics) == (two.methods, two.images, two.metrics)
    np.testing.assert_array_equal(one.values, two.values)
    assert len(lines_of_one) == 2
    assert sorted(lines_of_one) == sorted(lines_of_two)  # they come as they are found
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_told(folders):
    def kill_all(outcomes, /, *, total, desc):
        for process in multiprocessing.active_children():
            process.kill()
        return outcomes

    with pytest.raises(InputError, match="was killed, perhaps because memory ran out; .*--workers"):
        scored(scenes_of(folders), workers=2, progress=kill_all)
    assert multiprocessing.active_children() == []


def test_methods_keep_the_order_given_whatever_they_lack(folders):
    (folders["A"] / "1.png").unlink()
    scenes, _ = find_scenes(folders["vi"], folders["ir"], {m: folders[m] for m in "AB"})
    assert scored(scenes)[0].methods == ("A", "B")


def test_a_fused_image_of_a_source_without_partner_is_not_told_again(folders):
    (folders["ir"] / "2.png").unlink()
    _, problems = find_scenes(folders["vi"], folders["ir"], {"A": folders["A"]})
    assert len(problems) == 1
    assert problems[0].startswith(f"{folders['vi'] / '2.png'}: has no partner")


def test_two_scenes_of_one_name_are_refused(folders):
    scenes = scenes_of(folders)
    with pytest.raises(InputError, match="two scenes have the name '1'"):
        score([scenes[0], *scenes], workers=1)


def test_images_with_values_of_all_methods_are_counted(folders):
    cut(folders["A"] / "2.png")
    assert scored(scenes_of(folders))[0].complete == 2


def test_raw_counts_are_scored_by_one_range_which_is_said(tmp_path, rng):
    """An image of counts between 6,743 and 7,077 of 65,535 has two levels of 8 bits."""
    shown = rng.integers(0, 256, (2, 40, 48), np.uint8)
    for i, levels in enumerate(shown):
        counts = (6743 + levels.astype(float) / 255 * 334).round().astype(np.uint16)
        for name, image in (("i1", levels), ("i2", counts), ("fused", levels)):
            (tmp_path / name).mkdir(exist_ok=True)
            images.write(tmp_path / name / f"{i}.png", image)
    scenes, _ = run.find_scenes(tmp_path / "i1", tmp_path / "i2", {"x": tmp_path / "fused"})
    said = []
    given = {"metrics": ("SSIM",), "workers": 1, "warn": said.append}
    scores = [run.score(scenes, rule=rule, **given) for rule in (None, "type")]
    asked, plain = (x.values for x in scores)
    for x, i2 in zip(scores, (scores[0].rules[1], "type"), strict=True):
        origin = provenance_of(scenes, x)
        assert origin["black and white of deep sources"] == f"I1: type; I2: {i2}"
    again = run.score(scenes, rule=scores[0].rules, **given)
    np.testing.assert_array_equal(again.values, asked)
    (line,) = said
    assert "i2/0.png and 1 more: fills a small part of its range" in line
    # Both sources are then the fused image, but for counts that are rounded to 334 levels.
    assert asked.min() > 1.9
    assert plain.max() < 1.7
