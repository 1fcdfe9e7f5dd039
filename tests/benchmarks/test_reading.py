import sys

import pytest

from benchmarks import reading


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a process's memory")
@pytest.mark.parametrize("name", ["rgba.png", "rgb.jpg", "rgb.bmp", "lzw.tif"])
def test_reading_takes_at_most_three_times_the_image(name):
    # 24 MB. Some 9 MB of decoders and the allocator are in it whatever the size, which of half as
    # much would decide (2.5 to 2.7 times the array beside them, by three sizes of rgba.png).
    peak, grey, _ = reading.measured(name, 2800)
    assert 1 <= peak < 3
    assert grey < 3
