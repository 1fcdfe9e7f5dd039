"""Files that are sent, limits, requests that are wrong, and many at once."""

import http.client
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_client import NEEDED, png

pytest.importorskip("uvicorn", reason=NEEDED)

STRANGE = [
    *(None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, "", "nan", "\ud800\0\n"),
    *("../../etc/passwd", "x" * 5000, [], {}, [[]], [["u1"]], [["u1", 1e999]], [["u1", -1]]),
    *([["u9", 0]], [[["u1"], 0]], [["u1", 10**30]], [["\ud800", 1]], {"u1": 1}, [None], [{}]),
]
KEYS = {
    "pairs": ["sample", "i1", "i2", "photo", "color", "range", "size", "register"],
    "pairs/{pair}/settings": ["color", "range", "size", "register"],
    "pairs/{pair}/fused": ["u1", "u2", "c", "theta", "off"],
    "pairs/{pair}/download": ["edit", "format"],
    "pairs/{pair}/command": ["edit", "format"],
    "jobs": ["files", "settings", "format"],
}


@pytest.fixture(scope="module")
def pair(site, scene):
    return site.pair((scene[0], "vis.png"), (scene[1], "ir.png")).json["pair"]


def huge(height, width):
    """A PNG file of few bytes that says it has many pixels."""

    def chunk(kind, data):
        tail = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + tail

    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def answered(site, path, asked):
    """The answer to a request that may be wrong: never a failure of the server."""
    answer = site.post(path, asked)
    assert answer.status == 200 or 400 <= answer.status < 500, (path, asked, answer.body)
    if answer.status != 200:
        assert str(site.folder) not in answer.error
        assert len(answer.error) < 400
    return answer


def test_about_says_what_can_be_chosen(site):
    about = site.get("api/about").json
    assert about["size"] in [size["name"] for size in about["sizes"]]
    assert {"version", "colors", "samples", "formats", "limits"} <= about.keys()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>", "text, such as a web page"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
        (png(np.zeros((48, 64), np.uint8))[:60], "damaged or cut short"),
        (b"\0" * 1000, "not in a known image format"),
        (huge(60_000, 60_000), "pixels"),
        (huge(0, 10), "notes.png"),
    ],
    ids=["empty", "page", "head", "cut", "zeros", "huge", "no rows"],
)
def test_files_that_cannot_be_used_are_named_as_people_know_them(site, scene, content, reason):
    upload = site.upload(content, "夜/notes.png")
    assert upload.json["name"] == "notes.png"
    answer = site.pair((content, "notes.png"), (scene[1], "ir.png"))
    assert answer.status == 422
    assert "notes.png" in answer.error
    assert reason in answer.error
    assert str(site.folder) not in answer.error


def test_images_of_too_many_pixels_are_refused(tight):
    image = np.zeros((60, 60), np.uint8)
    answer = tight.pair((image, "large.png"), (image, "ir.png"))
    assert answer.status == 422
    assert answer.error.startswith("large.png: ")


def test_names_never_become_paths(site):
    before = {*site.folder.parent.rglob("*")}
    for name in ["../up.png", "..\\up.png", "/etc/x.png", "a\0.png", "x" * 3000, "夜.tif", ".."]:
        upload = site.upload(b"x", name)
        assert upload.status == 200
        assert not {"/", "\\", "\0"} & {*upload.json["name"]}
        site.delete(f"api/uploads/{upload.json['file']}")
    assert {*site.folder.parent.rglob("*")} == before


def test_the_number_and_the_bytes_of_files_are_limited(tight):
    kept = [tight.upload(bytes(15_000), "a.png").json["file"] for _ in range(2)]
    answer = tight.upload(bytes(15_000), "more.png")  # 45,000 in all
    assert answer.status == 413
    assert answer.error.startswith("more.png: ")
    assert len(tight.left()) == 2
    tight.delete(f"api/uploads/{kept.pop()}")
    for _ in range(2):
        kept.append(tight.upload(b"x", "a.png").json["file"])
    answer = tight.upload(b"x", "a.png")
    assert answer.status == 413
    assert answer.error.startswith("more than 3 files")
    for key in [*kept, kept[0], "f0", "../f1"]:  # some twice, some unknown
        assert tight.delete(f"api/uploads/{key}").status in (200, 404)
    assert tight.left() == []
    assert tight.upload(b"x", "a.png").status == 200


def test_files_that_arrive_together_are_counted_together(tight):
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda _: tight.upload(bytes(15_000), "a.png"), range(8))]
    kept = [answer for answer in answers if answer.status == 200]
    assert len(kept) <= 2
    assert {answer.status for answer in answers} <= {200, 413}
    assert len(tight.left()) == len(kept)


def test_a_file_that_was_removed_is_asked_for_again(site, scene):
    key = site.upload(scene[1]).json["file"]
    site.delete(f"api/uploads/{key}")
    for asked in ({"i1": key, "i2": key}, {"photo": key}, {}, {"i1": "../f1", "i2": 3}):
        answer = site.post("api/pairs", asked)
        assert answer.status == 404
        assert answer.error == "this file no longer exists; choose it again"


@pytest.mark.parametrize("path", KEYS)
def test_strange_values_are_refused_in_one_line(site, pair, path):
    place = f"api/{path.format(pair=pair)}"
    for key in KEYS[path]:
        for value in STRANGE:
            answered(site, place, {key: value})
            if key == "edit":
                for part in KEYS["pairs/{pair}/fused"]:
                    answered(site, place, {"edit": {part: value}})
            if key == "settings":
                for part in KEYS["pairs/{pair}/settings"]:
                    answered(site, place, {"settings": {part: value}, "files": []})
    assert site.post(f"api/pairs/{pair}/fused").status == 200


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*KEYS]), st.data())
@settings(
    deadline=None,  # of another process at the same time
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_json_is_answered(site, pair, path, data):
    known = st.dictionaries(st.sampled_from(KEYS[path]), values, max_size=3)
    answered(site, f"api/{path.format(pair=pair)}", data.draw(known | values))


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b"1", b"9" * 5000, b"[]", b"null"])
def test_what_is_no_json_object_is_refused(site, pair, body):
    for path in KEYS:
        answer = site.raw("POST", f"{site.base}api/{path.format(pair=pair)}", body=body)
        assert answer.status == 400
        assert answer.error.startswith("the request is not")


def test_200_requests_at_once_are_answered_and_leave_the_server_alive(site, pair):
    asked = [{"u1": number / 100, "off": [["c", number % 4]]} for number in range(200)]
    every = threading.Barrier(len(asked))

    def ask(edit):
        every.wait()
        return site.post(f"api/pairs/{pair}/fused", edit)

    site.post(f"api/pairs/{pair}/fused", asked[0])
    before = resident()
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = [*pool.map(ask, asked)]
    assert {answer.status for answer in answers} <= {200, 503}
    assert sum(answer.status == 200 for answer in answers) > 0
    assert all(answer.error for answer in answers if answer.status == 503)
    assert resident() - before < 300e6  # of which 200 threads of this test take some
    assert site.post(f"api/pairs/{pair}/fused").status == 200
    assert site.get("api/about").status == 200


def resident():
    """Bytes of memory of this process; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


def test_a_pair_that_nobody_waits_for_takes_no_place(site):
    from fnet_jax.web.app import DESKS  # Starlette may be missing

    first = site.post("api/pairs", {"sample": "synthetic_ct_mri"}).json["pair"]
    gone = http.client.HTTPConnection(site.host)
    gone.request("POST", f"{site.base}api/pairs", body='{"sample": "synthetic_pet_mri"}')
    gone.close()
    for _ in range(DESKS - 1):  # computed after it
        assert site.post("api/pairs", {"sample": "synthetic_ct_mri"}).status == 200
    assert site.get(f"api/pairs/{first}").status == 200
