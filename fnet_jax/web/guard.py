"""The checks that a request must pass: it comes from this page, and is of limited size."""

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address has the token
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
OWN_SITES = ("same-origin", "none")  # of Sec-Fetch-Site; none is an address that was typed


class Refused(Exception):
    """A request that is refused with a status and one line."""

    def __init__(self, status: int, line: str) -> None:
        """Refuses with an HTTP status and a line for a person."""
        super().__init__(line)
        self.status, self.line = status, line


class Guard:
    """An ASGI application around another one, which it serves below ``/<token>/``.

    Other sites reach nothing: they do not know the token; their requests name another origin; and a
    name of theirs that leads to this machine (DNS rebinding) is not among the hosts.
    """

    def __init__(
        self,
        application: Application,
        *,
        token: str,
        hosts: Iterable[str],
        largest: int,
        most: int,
    ) -> None:
        """Guards an application.

        Args:
            application: what to guard.
            token: first part of every path.
            hosts: ``host:port`` by which the page may be opened.
            largest: bytes of a request.
            most: requests at a time; more are answered with 503.
        """
        self._application, self._token = application, token
        self._hosts, self._largest, self._most = frozenset(hosts), largest, most
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets; the server closes them
        answer = _with_headers(send)
        try:
            self._check(scope)
            if self._running >= self._most:
                raise Refused(503, "too many requests at once; try again")
        except Refused as refused:
            await _refuse(answer, refused)
            return
        self._running += 1
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await answer(message)

        try:
            inner = {
                **scope,
                "path": scope["path"].removeprefix(f"/{self._token}"),
                "root_path": "",
            }
            await self._application(inner, self._limited(receive), noted)
        except Refused as refused:
            if begun:
                raise
            await _refuse(answer, refused)
        finally:
            self._running -= 1

    def _check(self, scope: Scope) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            raise Refused(403, "this address is not served; open the one that fnet web printed")
        if origin is not None and origin != f"http://{host}":
            raise Refused(403, "requests from other pages are refused")
        if headers.get("sec-fetch-site", "none") not in OWN_SITES:
            raise Refused(403, "requests from other pages are refused")
        given = scope["path"].split("/")[1] if scope["path"].count("/") > 1 else ""
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise Refused(404, "nothing is served here; open the address that fnet web printed")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._largest:
            raise Refused(413, self._too_large())

    def _limited(self, receive: Receive) -> Receive:
        """Counts what arrives, for requests that state no length or a wrong one."""
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._largest:
                raise Refused(413, self._too_large())
            return message

        return counted

    def _too_large(self) -> str:
        return f"more than {self._largest / 2**20:.0f} MiB; use a smaller file, or fnet fuse"


def _with_headers(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message.get("headers", [])}
            added = [
                (name.encode(), value.encode())
                for name, value in HEADERS.items()
                if name.encode() not in known
            ]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return answer


async def _refuse(send: Send, refused: Refused) -> None:
    body = json.dumps({"error": refused.line}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refused.status == 503:
        headers.append((b"retry-after", b"1"))
    # What was not read of the request must not be taken for the next one.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
