"""Reading reports and comparing them: what holds, and files that are no report."""

import copy
import json

import pytest

from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import Range, text_of
from fnet_jax.paper import verify

REPORT = {
    "format": 1,
    "made_with": {"weights": "w", "versions": {"jax": "1"}},
    "sets": {
        "tno": {
            "title": "TNO",
            "pairs": 2,
            "fingerprint": "f",
            "means": {"MI": 2.5, "CE": None, "PSNR": "Infinity"},
        }
    },
}


def changed(change):
    report = copy.deepcopy(REPORT)
    change(report)
    return report


def means(**other):
    return changed(lambda report: report["sets"]["tno"]["means"].update(other))


def test_a_report_is_read_as_it_was_written(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(REPORT), encoding="utf-8")
    assert verify.read(tmp_path / "report.json") == REPORT


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
        b"null",
        json.dumps(means(MI=float("nan"))).encode(),
        json.dumps(REPORT).replace("2.5", "1e999").encode(),
        json.dumps(means(MI=10**400)).encode(),
        json.dumps(means(MI=[2.5])).encode(),
        json.dumps(means(MI="2.5")).encode(),
        *(
            json.dumps(changed(change)).encode()
            for change in (
                lambda r: r.update(format=99),
                lambda r: r.update(sets={}),
                lambda r: r.update(sets=[]),
                lambda r: r.update(sets={"moon": r["sets"]["tno"]}),
                lambda r: r["sets"].update(tno=None),
                lambda r: r["sets"]["tno"].pop("title"),
                lambda r: r["sets"]["tno"].update(means=3),
                lambda r: r["made_with"].update(versions=[]),
                lambda r: r.pop("made_with"),
            )
        ),
    ],
)
def test_what_is_no_report_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        verify.read(path)
    assert str(refused.value).startswith(f"{path} is not a report of this benchmark (")
    assert len(str(refused.value)) < len(str(path)) + 350
    assert "\n" not in str(refused.value)


def test_what_cannot_be_read_is_named(tmp_path):
    for name in ("gone", ".", "n" * 300):
        with pytest.raises(InputError, match=r"cannot be read \(.*\); use the report\.json"):
            verify.read(tmp_path / name)


@pytest.mark.parametrize(
    ("now", "line", "holds"),
    [
        (REPORT, "TNO: 3 of 3 means hold", True),
        (means(MI=2.5049), "TNO: 3 of 3 means hold", True),
        (means(MI=2.506), "TNO: 2 of 3 means hold, not MI", False),
        (means(MI="Infinity"), "TNO: 2 of 3 means hold, not MI", False),
        (means(PSNR=60.0), "TNO: 2 of 3 means hold, not PSNR", False),
        (means(CE=1.0), "TNO: 2 of 3 means hold, not CE", False),
        (changed(lambda r: r["sets"].clear()), "TNO: the set is missing", False),
        (
            changed(lambda r: r["sets"]["tno"].update(fingerprint="g", pairs=3)),
            "TNO: the data differ (3 pairs, were 2)",
            False,
        ),
        (
            changed(lambda r: r["made_with"].update(weights="v")),
            "the weights differ; use the checkpoint that the report was made with",
            False,
        ),
    ],
)
def test_means_hold_within_rounding(now, line, holds):
    assert verify.compare(REPORT, now) == ([line], holds)


def test_other_versions_are_reported_but_do_not_count():
    now = changed(lambda report: report["made_with"]["versions"].update(jax="2"))
    lines, holds = verify.compare(REPORT, now)
    assert lines == ["jax was 1, is 2", "TNO: 3 of 3 means hold"]
    assert holds


def test_the_rule_of_a_report_is_used_again():
    asked = {"made_with": {"range": text_of(Range(20, 35.5))}}
    assert verify.rule(asked) == Range(20, 35.5)
    assert verify.rule({"made_with": {}}) is None
    with pytest.raises(InputError, match="use --range"):
        verify.rule({"made_with": {"range": "35,20"}})
