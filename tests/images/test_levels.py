import numpy as np

from fnet_jax.images.levels import to_8_bits


def test_sixteen_bits_become_the_nearest_of_eight():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = to_8_bits(every)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.rint(every / 257))  # never halfway: 257 is odd


def test_eight_bits_stay_as_they_are():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(to_8_bits(every), every)
    np.testing.assert_array_equal(to_8_bits(every.astype(np.uint16) * 257), every)
