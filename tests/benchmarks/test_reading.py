import sys

import pytest

from benchmarks import reading


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a process's memory")
@pytest.mark.parametrize("name", ["rgba.png", "rgb.jpg", "rgb.bmp", "lzw.tif"])
def test_reading_takes_at_most_three_times_the_image(name):
    # 24 MB: of strips, decoders and the allocator comes about 1 MB, whatever the size.
    peak, grey, _ = reading.measured(name, 2800)
    assert 1 <= peak < 3
    assert grey < 3
