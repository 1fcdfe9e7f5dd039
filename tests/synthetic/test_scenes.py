from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from docs import make_gallery
from fnet_jax.synthetic import Scene, night_street, phantom, random_scene

SIZES = [(256, 256), (16, 16), (65, 33), (33, 130), (17, 200), (200, 17)]
KINDS = ("ct", "pet", "spect")


@pytest.mark.parametrize("size", [(240, 320), (16, 16), (65, 33)])
def test_a_pair_of_the_size_asked_for(size):
    visible, infrared = night_street(*size)
    assert visible.shape == (*size, 3)
    assert infrared.shape == size
    assert visible.dtype == infrared.dtype == np.uint8


def test_the_seed_decides_everything():
    one, same, other = night_street(seed=4), night_street(seed=4), night_street(seed=5)
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).mean() > 0.1


def test_each_camera_sees_what_the_other_cannot():
    scene = Scene(64, 64, seed=0)
    warm_and_dark = scene.mask("rectangle", 0.1, 0.1, 0.4, 0.9)
    painted = scene.mask("rectangle", 0.6, 0.1, 0.9, 0.9)
    scene.paint(warm_and_dark, (0, 0, 0), heat=0.9)
    scene.paint(painted, (1, 1, 1), heat=0.12)
    scene.shine((0.5, 0.75), 0.5, 2.0)
    visible, infrared = scene.photographs()
    inside = {"warm": warm_and_dark == 1, "painted": painted == 1}
    assert infrared[inside["warm"]].mean() > 2 * infrared[inside["painted"]].mean()
    assert visible[inside["painted"]].mean() > 4 * visible[inside["warm"]].mean()


@pytest.mark.slow  # it is large
def test_the_picture_in_the_readme_can_be_drawn_again(monkeypatch):
    drawn = []
    monkeypatch.setattr(make_gallery, "save", lambda picture, path: drawn.append((picture, path)))
    make_gallery.hero(SimpleNamespace(fuse=lambda I1, I2: I1))  # the sources alone are compared
    ((picture, path),) = drawn
    kept = np.asarray(Image.open(path).convert("RGB"), np.int16)
    sources = np.s_[:, : 2 * kept.shape[1] // 3 - 8]
    # Another processor's exp may round the other way; the last bit is not kept.
    assert np.abs(kept[sources] - np.asarray(picture, np.int16)[sources]).max() <= 2


def test_a_window_shares_the_scene_and_its_coordinates():
    whole, parts = Scene(60, 80, seed=0), Scene(60, 80, seed=0)
    box = (0.31, 0.4, 0.72, 0.83)
    whole.light += whole.mask("ellipse", *box)
    part = parts.window(*box)
    part.light += part.mask("ellipse", *box)
    assert part.light.size < parts.light.size / 3
    np.testing.assert_allclose(parts.light, whole.light, rtol=0, atol=1e-12)
    whole.shine((0.5, 0.5), 0.2, 1)
    part.shine((0.5, 0.5), 0.2, 1)
    inner = np.s_[26:48, 20:42]
    np.testing.assert_allclose(parts.light[inner], whole.light[inner], rtol=0, atol=1e-12)
    assert Scene(16, 16, seed=0).window(3, 3, 4, 4).light.shape == (1, 1)


def test_a_surface_without_heat_or_color_is_seen_by_one_camera_only():
    scene = Scene(32, 32, seed=0, ambient=1.0)
    left, right = scene.mask("rectangle", 0, 0, 0.4, 1), scene.mask("rectangle", 0.6, 0, 1, 1)
    scene.paint(left, (1, 1, 1), heat=None)
    scene.paint(right, None, heat=0.9)
    assert (scene.heat[left == 1] == 0.12).all()
    assert (scene.color[right == 1] == 0).all()
    assert (scene.color[left == 1] == 1).all()
    assert np.allclose(scene.heat[right == 1], 0.9)


@pytest.mark.parametrize("size", SIZES)
def test_random_scenes_have_the_size_asked_for(size):
    for seed in range(12):
        visible, infrared = random_scene(*size, seed=seed)
        assert visible.shape == (*size, 3)
        assert infrared.shape == size
        assert visible.dtype == infrared.dtype == np.uint8


def test_the_seed_decides_everything_in_a_random_scene():
    one, same, other = (random_scene(64, 64, seed=seed) for seed in (4, 4, 5))
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).mean() > 0.1


def test_random_scenes_resemble_photographs():
    pairs = [random_scene(128, 128, seed=seed) for seed in range(40)]
    visible = np.array([pair[0].mean() for pair in pairs])
    infrared = np.array([pair[1].mean() for pair in pairs])
    # MSRS (200 pairs): visible means from 16 (5th percentile) to 118 (95th), infrared 12 to 40;
    # the bounds leave room, so that only scenes all dark, all bright or all alike fail.
    assert np.quantile(visible, 0.1) < 40 < 90 < np.quantile(visible, 0.9) < 180
    assert 10 < np.median(infrared) < 60
    assert min(np.std(pair[1]) for pair in pairs) > 1


def test_the_cameras_of_random_scenes_disagree():
    likeness = []
    for seed in range(20):
        visible, infrared = random_scene(128, 128, seed=seed)
        likeness.append(np.corrcoef(_gradient(visible.mean(axis=2)), _gradient(infrared))[0, 1])
        edges = [np.abs(_gradient(image)) > 12 for image in (visible.mean(axis=2), infrared)]
        assert (edges[0] & ~edges[1]).any()
        assert (edges[1] & ~edges[0]).any()
    assert np.mean(np.abs(likeness)) < 0.3  # 0.13 to 0.16 over five sets of 20 seeds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_phantoms_have_the_size_asked_for(kind, size):
    first, mri = phantom(*size, seed=2, kind=kind)
    assert first.shape == (size if kind == "ct" else (*size, 3))
    assert mri.shape == size
    assert first.dtype == mri.dtype == np.uint8
    assert first.max() > 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_everything_in_a_phantom(kind):
    one, same, other = (phantom(96, 96, seed=seed, kind=kind) for seed in (4, 4, 5))
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).mean() > 0.1


@pytest.mark.parametrize("seed", range(8))
def test_what_each_modality_shows(seed):
    ct, mri = phantom(seed=seed)
    bone = ct > 240
    assert bone.mean() > 0.02
    assert mri[bone].mean() < 60
    brain = mri[(ct > 80) & (ct < 130)]
    assert brain.std() > 2 * ct[(ct > 80) & (ct < 130)].std()
    pet, same_mri = phantom(seed=seed, kind="pet")
    np.testing.assert_array_equal(mri, same_mri)
    hot = pet.max(axis=2) > 60
    assert np.ptp(pet[hot].astype(int), axis=1).mean() > 80  # in color
    spect, _ = phantom(seed=seed, kind="spect")
    for image in (ct, mri, pet, spect):
        grey = image.reshape(256, 256, -1).max(axis=2)
        assert not np.concatenate([grey[:6].ravel(), grey[-6:].ravel(), grey[:, :6].ravel()]).any()


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown kind 'xray'; use one of ct, pet, spect"):
        phantom(kind="xray")


def _gradient(image):
    image = image.astype(float)
    return np.concatenate([np.diff(image, axis=0).ravel(), np.diff(image, axis=1).ravel()])
