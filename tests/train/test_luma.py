"""The training luma."""

import numpy as np

from train.data.luma import limited_luma


def test_luma_is_that_of_limited_range():
    colors = np.uint8([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [10, 200, 90]]])
    expected = [16, 235, round(16 + 65.481), round(16 + (654.81 + 25710.6 + 2246.94) / 255)]
    np.testing.assert_array_equal(limited_luma(colors), [expected])
