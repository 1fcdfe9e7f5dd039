"""``benchmarks.weights``: two reports side by side."""

import json

import command
import pytest

from benchmarks.weights import ratios, table


def report(**means):
    return {"sets": {"tno": {"title": "TNO", "fingerprint": "f", "means": means}}}


def test_more_is_better_but_for_ce():
    found = ratios(report(MI=2.0, CE=4.0), report(MI=1.0, CE=2.0))
    assert found == {"tno": {"MI": 2.0, "CE": 0.5}}
    lines = table(report(MI=2.0, CE=4.0), report(MI=1.0, CE=2.0)).splitlines()
    assert lines[2] == "| TNO | 2.000 / 1.000 (2.00) | 4.000 / 2.000 (0.50) | 1.250 |"
    assert lines[3] == "| mean ratio | 2.00 | 0.50 | **1.250** |"


@pytest.mark.parametrize("mean", [None, "Infinity", 0.0])
def test_means_without_a_ratio_are_refused(mean):
    for reports in ((report(MI=mean), report(MI=1.0)), (report(MI=1.0), report(MI=mean))):
        with pytest.raises(ValueError, match=f"tno: the mean MI is {mean}"):
            ratios(*reports)


def test_other_pairs_are_refused(tmp_path):
    other = report(MI=1.0)
    other["sets"]["tno"]["fingerprint"] = "g"
    with pytest.raises(ValueError, match="not of the same pairs"):
        ratios(report(MI=1.0), other)
    for name, content in (("a.json", report(MI=1.0)), ("b.json", other)):
        (tmp_path / name).write_text(json.dumps(content))
    done = command.run("benchmarks.weights", tmp_path / "a.json", tmp_path / "b.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "tno" in done.stderr
