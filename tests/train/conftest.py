"""What tests of training share."""

import numpy as np
import pytest


@pytest.fixture
def batches(rng):
    """Three batches of four pairs whose sources differ in their edges."""
    shape = (3, 4, 24, 24, 1)
    I1 = rng.uniform(size=shape) * rng.uniform(size=(3, 4, 1, 1, 1))
    return list(zip(np.float32(I1), np.float32(rng.uniform(size=shape)), strict=True))
