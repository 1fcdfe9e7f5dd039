import json
from pathlib import Path

import numpy as np
import pytest
from made_up_sets import scene

from eval.downstream import methods
from eval.downstream.scenes import Scene
from fnet_jax import Fuser, images
from fnet_jax.errors import InputError


@pytest.fixture
def scenes(tmp_path, rng):
    found = []
    for i in range(3):
        for kind, image in zip(("vi", "ir", "labels"), scene(rng), strict=True):
            (tmp_path / kind).mkdir(exist_ok=True)
            images.write(tmp_path / kind / f"{i}.png", image)
        paths = [tmp_path / kind / f"{i}.png" for kind in ("vi", "ir", "labels")]
        found.append(Scene(str(i), *paths))
    return found


def exported(method, scenes, out, **how):
    folder = methods.export(method, scenes, out, data="d", **how)
    assert sorted(p.name for p in folder.glob("*.png")) == [f"{s.name}.png" for s in scenes]
    return [images.read(folder / f"{s.name}.png") for s in scenes]


def test_sources_and_their_average(scenes, tmp_path):
    visible = [images.read(s.visible) for s in scenes]
    infrared = [np.stack([images.read(s.infrared)] * 3, axis=2) for s in scenes]
    average = [(a.astype(int) + b) / 2 for a, b in zip(visible, infrared, strict=True)]
    for name, expected, error in (
        ("Visible", visible, 0),
        ("Infrared", infrared, 0),
        ("Mean", average, 0.5),
    ):
        found = exported(methods.of_source(name), scenes, tmp_path / "out")
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == np.uint8
            assert np.abs(a.astype(float) - b).max() <= error


def test_fused_images_are_those_of_the_library(scenes, tmp_path, small_network):
    fuser = Fuser(*small_network)
    found = exported(methods.of_fuser("FNet", fuser), scenes, tmp_path / "out")
    for image, s in zip(found, scenes, strict=True):
        pair = images.read(s.visible), images.read(s.infrared)
        np.testing.assert_array_equal(image, fuser.fuse(*pair, color="full"))


def test_images_that_are_there_are_kept_and_others_refused(scenes, tmp_path, small_network):
    out = tmp_path / "out"
    method = methods.of_source("Mean")
    exported(method, scenes, out)
    marked = np.zeros((32, 40, 3), np.uint8)
    images.write(out / "Mean/1.png", marked, overwrite=True)
    (out / "Mean/2.png").unlink()
    found = exported(method, scenes, out)
    np.testing.assert_array_equal(found[1], marked)
    assert found[2].any()
    with pytest.raises(InputError, match="other sources or weights"):
        methods.export(method, scenes, out, data="other")
    fuser = Fuser(*small_network)
    methods.export(methods.of_fuser("FNet", fuser), scenes, out, data="d")
    import jax

    changed = Fuser(fuser.network, jax.tree.map(lambda x: x * 1.01, fuser.params))
    with pytest.raises(InputError, match="other sources or weights"):
        methods.export(methods.of_fuser("FNet", changed), scenes, out, data="d")


def test_smaller_images_keep_their_shape(scenes, tmp_path):
    for image in exported(methods.of_source("Mean"), scenes, tmp_path / "out", side=20):
        assert image.shape == (16, 20, 3)
    record = json.loads((tmp_path / "out/Mean/images.json").read_text(encoding="utf-8"))
    assert record["side"] == 20


def test_fused_images_of_others_are_found_by_name(scenes, tmp_path, rng):
    folder = tmp_path / "theirs"
    folder.mkdir()
    fused = [rng.integers(0, 256, (32, 40), np.uint8) for _ in scenes]
    for s, image in zip(scenes, fused, strict=True):
        images.write(folder / f"{s.name}.bmp", image)
    found = exported(methods.of_folder("U2", folder, scenes), scenes, tmp_path / "out")
    for a, b in zip(found, fused, strict=True):
        np.testing.assert_array_equal(a, np.stack([b] * 3, axis=2))
    images.write(folder / "1.bmp", fused[0][:20], overwrite=True)
    with pytest.raises(InputError, match=r"1\.bmp is 40×20, but its sources are 40×32"):
        exported(methods.of_folder("U2", folder, scenes), scenes, tmp_path / "again")
    (folder / "1.bmp").unlink()
    with pytest.raises(InputError, match="has no image of 1"):
        methods.of_folder("U2", folder, scenes)
    for suffix in ("png", "bmp"):
        images.write(folder / f"1.{suffix}", fused[0])
    with pytest.raises(InputError, match="has two images of 1"):
        methods.of_folder("U2", folder, scenes)


def test_names_of_methods():
    assert methods.parsed("Mean") == ("Mean", None)
    assert methods.parsed("U2 Fusion=a/b=c") == ("U2 Fusion", Path("a/b=c"))
    assert methods.parsed("FNet-xs") == ("FNet-xs", None)
    own = ("FNet-x", "FNet-base", "FNet-xs=a", "Mean=x")
    for wrong in (*own, "U2Fusion", "x=", "=x", "../x=y", "a/b=c", ""):
        with pytest.raises(ValueError, match="use|is not"):
            methods.parsed(wrong)


def test_a_fingerprint_changes_with_every_file(scenes):
    before = methods.fingerprint(scenes)
    assert methods.fingerprint(scenes[::-1]) == before
    for kind in ("visible", "infrared", "truth"):
        path = getattr(scenes[1], kind)
        content = path.read_bytes()
        path.write_bytes(content + b"\0")
        assert methods.fingerprint(scenes) != before
        path.write_bytes(content)
