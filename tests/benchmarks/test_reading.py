import sys

import pytest

from benchmarks import reading


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a process's memory")
@pytest.mark.parametrize("name", ["rgba.png", "rgb.jpg", "rgb.bmp", "lzw.tif"])
def test_reading_takes_at_most_three_times_the_image(name):
    peak, grey, _ = reading.measured(name, 2000)
    # Of 12 MB; strips, decoders' buffers and the allocator take up to 1 MB beside them.
    assert 1 <= peak < 3.1
    assert grey < 3.1
