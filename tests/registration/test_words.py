import numpy as np
from made_up_cameras import transform

from fnet_jax.registration import Registration
from fnet_jax.registration.words import described


def test_a_transform_in_words():
    matrix = transform(3, 0.5, 10, -4, size=(241, 321))
    found = Registration(matrix, True, 0.1, 9.0, "affine", "", (241, 321), (100, 100))
    assert described(found) == "scale 0.5, rotated by 3.00°, I1's center at (170.0, 116.0) of I2"
    still = Registration(np.eye(3), True, 0.1, 9.0, "start", "", (241, 321), (241, 321))
    assert described(still) == "scale 1, rotated by 0.00°, I1's center at (160.0, 120.0) of I2"
