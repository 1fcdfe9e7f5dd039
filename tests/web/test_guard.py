import asyncio
import io
import socket

import pytest
from web_client import NEEDED, until

pytest.importorskip("uvicorn", reason=NEEDED)

from fnet_jax.web.guard import HEADERS, POLICY, Guard

STRANGE = ["http://evil.example", "null", "http://127.0.0.1:1", "file://"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/api/about", "//api/about", "/page/app.js", "/{token}", "//{token}/", "/{half}/"),
        *("/{token}x/api/about", "/%00/", "/%2e%2e/{token}/", "/x/../{token}/", "/%FF/"),
    ],
)
def test_without_the_token_nothing_is_there(site, path):
    half = site.token[: len(site.token) // 2]
    answer = site.raw("GET", path.format(token=site.token, half=half))
    assert answer.status == 404
    assert site.token not in f"{answer.headers} {answer.body}"
    assert answer.error == "nothing is served here; open the address that fnet web printed"


def test_other_names_of_this_machine_are_refused(site):
    """As of a name that leads here (DNS rebinding)."""
    port = site.host.partition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""):
        answer = site.get("api/about", headers={"Host": host})
        assert answer.status == 403, host
        assert "this address is not served" in answer.error
    for host in (f"localhost:{port}", f"[::1]:{port}", site.host):
        assert site.get("api/about", headers={"Host": host}).status == 200


def test_requests_of_other_pages_are_refused(site):
    own = f"http://{site.host}"
    for origin in [*STRANGE, f"https://{site.host}", f"{own}.evil.example", f"{own}/", ""]:
        for send in (site.get, site.post):
            answer = send("api/about", headers={"Origin": origin})
            assert answer.status == 403, origin
            assert answer.error == "requests from other pages are refused"
        assert "access-control-allow-origin" not in answer.headers
    assert site.get("api/about", headers={"Origin": own}).status == 200


def test_requests_from_other_sites_are_refused(site):
    for place, status in {"cross-site": 403, "same-site": 403, "same-origin": 200}.items():
        assert site.get("", headers={"Sec-Fetch-Site": place}).status == status
    preflight = site.raw("OPTIONS", f"{site.base}api/about", headers={"Origin": STRANGE[0]})
    assert preflight.status == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("GET", "", 200), ("GET", "page/style.css", 200), ("GET", "api/about", 200)),
        *(("HEAD", "", 200), ("GET", "page/none.js", 404), ("GET", "none", 404)),
        *(("DELETE", "api/about", 405), ("GET", "api/about/", 404), ("POST", "api/pairs", 404)),
        *(("GET", "page/%2e%2e/app.py", 404), ("GET", "page/..%2fapp.py", 404)),
        *(("GET", "../api/about", 404), ("GET", "api/pairs/p0/map/u1/1.png", 404)),
    ],
)
def test_every_answer_has_the_headers_that_keep_it_safe(site, method, path, status):
    answer = site.raw(method, site.base + path)
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "server" not in answer.headers
    assert status == 200 or answer.error


def test_the_policy_has_no_exceptions():
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert "http" not in POLICY


def test_the_page_names_no_other_site_and_runs_no_inline_code(site):
    page = site.get("").body.decode()
    assert "http" not in page
    assert site.token not in page
    assert " style=" not in page
    assert " onclick=" not in page


def test_a_body_that_says_it_is_too_long_is_not_awaited(tight):
    headers = {"Content-Length": str(10**12)}
    answer = tight.raw("POST", f"{tight.base}api/uploads", headers=headers)
    assert answer.status == 413
    assert answer.error.endswith("use a smaller file, or fnet fuse")
    assert answer.headers["connection"] == "close"
    assert tight.left() == []


@pytest.mark.parametrize("path", ["api/uploads?name=a.png", "api/jobs"])
def test_a_body_without_a_length_is_counted(tight, path):
    parts = (b"x" * 1000 for _ in range(30))
    answer = tight.raw("POST", tight.base + path, body=parts, encode_chunked=True)
    assert answer.status == 413
    assert answer.error
    assert tight.left() == []


def test_an_upload_that_breaks_off_leaves_nothing(tight, caplog):
    host, _, port = tight.host.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {tight.base}api/uploads HTTP/1.1\r\nHost: {tight.host}\r\n"
        connection.sendall(f"{head}Content-Length: 9000\r\n\r\nsome".encode())
        until(tight.left)
    until(lambda: not tight.left())
    for _ in range(3):  # nor does it count
        assert tight.upload(b"x", "a.png").status == 200
    assert not caplog.records


def test_json_is_not_collected_without_end(site):
    answer = site.post("api/pairs", {"sample": "x" * 2**21})
    assert answer.status == 413
    assert answer.error == "the request is too long; choose fewer files"


def test_there_are_no_web_sockets(site):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    answer = site.get("api/about", headers=headers)
    assert answer.status in (200, 400)
    assert "upgrade" not in answer.headers


def test_more_requests_than_are_served_are_told_to_try_again():
    started, released, sent = asyncio.Event(), asyncio.Event(), []

    async def application(scope, receive, send):
        started.set()
        await released.wait()

    async def send(message):
        sent.append(message)

    async def both():
        guard = Guard(application, token="t", hosts=["h"], largest=9, most=1)
        scope = {"type": "http", "path": "/t/", "headers": [(b"host", b"h")]}
        first = asyncio.create_task(guard(scope, None, send))
        await started.wait()
        await guard(scope, None, send)
        released.set()
        await first

    asyncio.run(both())
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert io.BytesIO(sent[1]["body"]).read().count(b"try again") == 1
