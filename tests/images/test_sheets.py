import os

import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.images.sheets import MARK, is_sheet, write_sheet


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_a_sheet_is_known_in_every_format(tmp_path, rng, suffix):
    levels = rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    sheet, image = tmp_path / f"sheet{suffix}", tmp_path / f"image{suffix}"
    write_sheet(sheet, levels)
    images.write(image, levels)
    assert is_sheet(sheet)
    assert not is_sheet(image)
    np.testing.assert_array_equal(images.read(sheet), images.read(image))
    assert images.find(tmp_path) == [image]


def test_a_sheet_is_replaced_only_if_asked(tmp_path):
    levels = np.zeros((4, 4, 3), np.uint8)
    write_sheet(tmp_path / "sheet.png", levels)
    with pytest.raises(InputError, match="already exists; use --overwrite"):
        write_sheet(tmp_path / "sheet.png", levels)
    write_sheet(tmp_path / "sheet.png", levels, overwrite=True)
    with pytest.raises(InputError, match="cannot be written"):
        write_sheet(tmp_path / "gone/sheet.png", levels)
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_what_is_no_file_is_no_sheet(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "lost.png").symlink_to("gone")
    (tmp_path / "short.bmp").write_bytes(b"BM")
    (tmp_path / "folder.png").mkdir()
    assert not any(map(is_sheet, [*tmp_path.iterdir(), tmp_path / "gone.png"]))
    (tmp_path / "late.png").write_bytes(bytes(5000) + MARK)  # not where a sheet has it
    assert not is_sheet(tmp_path / "late.png")
