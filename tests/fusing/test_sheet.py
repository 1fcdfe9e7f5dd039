"""Contact sheets, and the sample pairs."""

import runpy

import numpy as np
import pytest
from command import ROOT

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.fusing.sheet import COLUMNS, GAP, LINE, PANEL, contact_sheet
from fnet_jax.pairs.match import SAMPLES


def test_a_row_for_each_pair_at_its_own_size(tmp_path):
    grey = np.full((40, 50), 90, np.uint8)
    deep = np.full((40, 50), 120 * 257, np.uint16)
    colour = np.full((40, 50, 3), (200, 10, 30), np.uint8)
    files = []
    for name, image in (("one", colour), ("two", deep), ("three", grey)):
        images.write(tmp_path / f"{name}.png", image)
        files.append(tmp_path / f"{name}.png")
    sheet = contact_sheet([("first", *files), ("second", *files)])
    assert sheet.shape == (LINE + GAP + 2 * (LINE + 40 + GAP), 3 * 50 + 4 * GAP, 3)
    for row in range(2):
        top = 2 * LINE + row * (LINE + 40 + GAP)
        for column, value in enumerate(((200, 10, 30), (120,) * 3, (90,) * 3)):
            left = GAP + column * (50 + GAP)
            panel = sheet[top : top + 40, left : left + 50]
            np.testing.assert_array_equal(panel, np.broadcast_to(value, (40, 50, 3)))
    assert (sheet[:LINE] != 255).any()  # titles
    assert len(COLUMNS) == 3


def test_large_images_are_shrunk(tmp_path):
    images.write(tmp_path / "wide.png", np.zeros((300, 1200), np.uint8))
    sheet = contact_sheet([("wide", *[tmp_path / "wide.png"] * 3)])
    assert sheet.shape == (2 * LINE + PANEL[0] // 4 + 2 * GAP, 3 * PANEL[0] + 4 * GAP, 3)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.png"):
        contact_sheet([("x", *[tmp_path / "none.png"] * 3)])


def test_the_samples_are_drawn_and_say_so():
    drawn = runpy.run_path(str(ROOT / "docs/make_samples.py"))["drawn"]()
    for kind in ("I1", "I2"):
        assert {path.stem for path in (SAMPLES / kind).iterdir()} == drawn.keys()
    for name, pair in drawn.items():
        assert name.startswith("synthetic_")
        for kind, image in zip(("I1", "I2"), pair, strict=True):
            shipped = images.read(SAMPLES / kind / f"{name}.png")
            assert shipped.shape == image.shape
            # Another version of Pillow may round the blur of a few pixels in another way.
            assert np.mean(np.abs(shipped.astype(int) - image)) < 0.05
