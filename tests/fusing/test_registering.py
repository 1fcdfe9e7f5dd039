"""Laying images over each other on the way to the fused one."""

import dataclasses
import math

import numpy as np
import pytest
from made_up_cameras import random_scene, scene, seen, transform
from made_up_fff import photo
from PIL import Image
from scipy import ndimage

from fnet_jax import Fuser, InputError, images
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.fusing.loading import Loader
from fnet_jax.fusing.registering import Registering, automatic, blended, soft
from fnet_jax.pairs.match import Pair
from fnet_jax.registration import Registration, apply
from fnet_jax.registration.files import Transforms

SIZE = (240, 320)
MATRIX = transform(3, 1.2, -20, 5, size=(180, 240)) @ np.diag([0.75, 0.75, 1])
FOUND = Registration(MATRIX, True, 0.5, 40.0, "similarity", "", SIZE, (180, 240))


@pytest.fixture
def fuser(small_network):
    return Fuser(*small_network)


@pytest.fixture
def rig(tmp_path):
    """Three pairs of one rig with another size and field of view of I2."""
    pairs = []
    for seed in range(3):
        visible, infrared = scene(seed + 1)
        for name, image in (("vi", visible), ("ir", seen(infrared, MATRIX, (180, 240)))):
            (tmp_path / name).mkdir(exist_ok=True)
            images.write(tmp_path / name / f"{seed}.png", image)
        pairs.append(Pair(tmp_path / f"vi/{seed}.png", tmp_path / f"ir/{seed}.png"))
    return pairs


def test_the_fused_image_is_i1_where_i2_does_not_reach(fuser, rig, tmp_path):
    registering = Registering(Transforms(FOUND))
    done = list(fuse_pairs(fuser, rig, tmp_path / "out", registering=registering, masks=True))
    assert len(done) == 3
    fused, one = images.read(done[0]), images.read(rig[0].i1)
    assert fused.shape == one.shape
    mask = images.read(tmp_path / "out/0.mask.png")
    assert mask.shape == SIZE
    assert 0.2 < (mask == 255).mean() < 0.9
    np.testing.assert_array_equal(fused[mask == 0], one[mask == 0])
    two = apply(images.read(rig[0].i2), MATRIX, SIZE)
    inner = fuser.fuse(one, two)
    deep = ndimage.minimum_filter(mask == 255, 61)  # beyond the reach of the network's filters
    difference = np.abs(fused.astype(int) - inner)[deep]
    assert deep.any()
    assert difference.max() <= 2


def test_the_grid_may_be_that_of_i2(fuser, rig, tmp_path):
    registering = Registering(Transforms(FOUND), "i2")
    done = list(fuse_pairs(fuser, rig[:1], tmp_path / "out", registering=registering))
    fused = images.read(done[0])
    assert fused.shape == (180, 240, 3)
    loaded = Loader(registering=registering).load(rig[0])
    assert loaded.i1.shape == (180, 240, 3)
    expected = apply(images.read(rig[0].i1), np.linalg.inv(MATRIX), (180, 240))
    both = loaded.weight == 1
    np.testing.assert_array_equal(loaded.i1[both], expected[both])


def test_a_refused_or_missing_transform_is_an_error_of_the_pair(fuser, rig, tmp_path):
    refused = dataclasses.replace(
        FOUND, accepted=False, expected_error=math.inf, reason="the images have nothing in common"
    )
    registering = Registering(Transforms(None, {"0": refused, "1": FOUND}))
    told = []
    done = list(
        fuse_pairs(fuser, rig, tmp_path / "out", registering=registering, report=told.append)
    )
    assert [path.name for path in done] == ["1.png"]
    assert len(told) == 2
    assert "the transform of 0 was refused (the images have nothing in common" in told[0]
    assert "contains no transform of 2; register that pair" in told[1]


def test_a_file_of_single_pairs_serves_a_result_of_another_name(rig):
    renamed = dataclasses.replace(rig[1], called="fused")
    registering = Registering(Transforms(None, {"1": FOUND}))
    assert Loader(registering=registering).load(renamed).weight.any()


def test_images_that_do_not_meet_are_an_error(rig):
    away = dataclasses.replace(FOUND, matrix=transform(0, 1, 5000, 0, size=SIZE))
    with pytest.raises(
        InputError, match=r"0\.png and .*0\.png: the transform puts no part of I2 onto I1"
    ):
        Loader(registering=Registering(Transforms(away))).load(rig[0])


def test_a_mask_that_is_there_is_seen_before_anything_is_fused(fuser, rig, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/1.mask.png").write_bytes(b"kept")
    told = []
    options = {"registering": Registering(Transforms(FOUND)), "masks": True, "report": told.append}
    done = list(fuse_pairs(fuser, rig, tmp_path / "out", **options))
    assert [path.name for path in done] == ["0.png", "2.png"]
    assert len(told) == 1
    assert "1.mask.png already exists" in told[0]


def test_without_registering_other_sizes_are_refused(fuser, rig, tmp_path):
    told = []
    assert not list(fuse_pairs(fuser, rig, tmp_path / "out", report=told.append))
    assert all("240×180" in line for line in told)


def test_auto_takes_one_transform_if_pairs_agree_and_one_each_if_not(rig, tmp_path):
    lines = []
    together = automatic(rig, report=lines.append)
    assert together.transforms is not None
    assert together.transforms.rig is not None
    assert "3 of 3 pairs agree on one transform: scale 0." in lines[0]
    alone = automatic(rig[:2], report=lines.append)
    assert alone.transforms is None
    images.write(tmp_path / "vi/9.png", scene(1)[0][:200])
    mixed = [*rig[:2], Pair(tmp_path / "vi/9.png", rig[0].i2)]
    assert automatic(mixed, report=lines.append).transforms is None


def test_a_pair_of_other_sizes_is_named_when_a_job_has_one_transform(rig, tmp_path):
    tiny = Pair(rig[0].i1, tmp_path / "tiny.png")
    images.write(tiny.i2, scene(1)[1][:30, :30])
    found = automatic([*rig, tiny], report=lambda line: None)
    with pytest.raises(InputError, match=r"^--register auto: the transform is for I2 of 240×180"):
        Loader(registering=found).load(tiny)


def test_what_cannot_be_registered_is_not_fused(tmp_path):
    images.write(tmp_path / "vi.png", scene(1)[0])
    images.write(tmp_path / "ir.png", random_scene(*SIZE, seed=9)[1])
    pair = Pair(tmp_path / "vi.png", tmp_path / "ir.png")
    with pytest.raises(InputError, match=r"vi\.png and .*ir\.png cannot be registered: the images"):
        Loader(registering=Registering()).load(pair)


def test_a_photo_is_registered_from_its_tags_and_stays_upright(tmp_path, rng):
    path = photo(tmp_path / "a.jpg", rng)
    small = Loader(registering=Registering(Transforms(FOUND)))
    with pytest.raises(InputError, match="is for I1 of 320×240 pixels, but that of a has 80×60"):
        small.load(Pair(path, path))
    loaded = Loader().load(Pair(path, path))
    assert loaded.displaced == 0
    thermal = images.open(path).size
    tags = Registration(np.diag([0.4, 0.4, 1]), True, 1.0, 9.0, "start", "", (60, 80), thermal)
    found = Loader(registering=Registering(Transforms(tags))).load(Pair(path, path))
    assert found.i1.shape == (60, 80, 3)
    assert found.celsius.shape == (60, 80)
    assert np.isnan(found.celsius).any() == (found.weight == 0).any()


def test_displaced_pairs_are_told_of_once(fuser, tmp_path):
    for name in ("vi", "ir"):
        (tmp_path / name).mkdir()
    pairs = []
    for seed, x in ((1, 0), (2, 7), (3, 5)):
        visible, infrared = scene(seed)
        images.write(tmp_path / f"vi/{seed}.png", visible)
        moved = seen(infrared, transform(0, 1, x, 0, size=SIZE))
        images.write(tmp_path / f"ir/{seed}.png", moved)
        pairs.append(Pair(tmp_path / f"vi/{seed}.png", tmp_path / f"ir/{seed}.png"))
    lines = []
    assert len(list(fuse_pairs(fuser, pairs, tmp_path / "out", warn=lines.append))) == 3
    (line,) = lines
    assert line.startswith("2 pairs, the worst ")
    assert "2.png (about 7 pixels)" in line
    assert "--register auto" in line


def test_weights_fall_at_the_overlaps_edge_but_not_at_the_images():
    there = np.zeros((50, 60), bool)
    there[:, :40] = True
    weight = soft(there)
    assert (weight[:, :30] == 1).all()
    assert (weight[:, 40:] == 0).all()
    assert 0 < weight[0, 39] < 1
    assert (soft(np.ones((9, 9), bool)) == 1).all()


def test_blending_keeps_type_and_colors(rng):
    color = rng.integers(0, 256, (5, 6, 3), np.uint8)
    grey = rng.uniform(0, 1, (5, 6)).astype(np.float32)
    weight = np.zeros((5, 6), np.float32)
    weight[0] = 1
    assert blended(color, grey, weight).dtype == np.uint8
    np.testing.assert_array_equal(blended(color, grey, weight)[0], color[0])
    np.testing.assert_allclose(
        blended(color, grey, weight)[1:] / 255, grey[1:, :, None].repeat(3, 2), atol=0.5 / 255
    )
    assert blended(grey, color, weight).shape == (5, 6)
    assert Image.fromarray(blended(color, grey, weight)).mode == "RGB"
