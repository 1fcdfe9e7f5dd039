"""A server of ``fnet web`` in this process, and requests to it."""

import http.client
import io
import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from fnet_jax import images

NEEDED = "starlette and uvicorn are not installed: pip install 'fnet-jax[web]'"


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The line of an error, which is one."""
        assert 400 <= self.status < 600
        (line,) = self.json.values()
        assert line.isprintable()
        return line

    @property
    def pixels(self):
        return np.asarray(Image.open(io.BytesIO(self.body)))

    @property
    def filename(self):
        return unquote(self.headers["content-disposition"].partition("filename*=utf-8''")[2])


class Client:
    """Sends requests to the page at an address; each has a connection of its own."""

    def __init__(self, address, folder):
        parts = urlsplit(address)
        self.host, self.base, self.folder = parts.netloc, parts.path, folder
        self.token = self.base.strip("/")

    def raw(self, method, path, body=None, headers=(), **options):
        """Sends a request to a path of the server, token included."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before its end
                connection.request(method, path, body=body, headers=dict(headers), **options)
            found = connection.getresponse()
            known = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, known, found.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.raw("GET", self.base + path, **options)

    def post(self, path, asked=None, **options):
        body = None if asked is None else json.dumps(asked)
        return self.raw("POST", self.base + path, body=body, **options)

    def delete(self, path):
        return self.raw("DELETE", self.base + path)

    def upload(self, content, name="image.png"):
        """Sends a file, or an image as PNG; the answer."""
        path = f"{self.base}api/uploads?name={quote(name)}"
        content = content if isinstance(content, bytes) else png(content)
        return self.raw("POST", path, body=content)

    def pair(self, one, two, **settings):
        """Puts two images or files on the desk, each with a name; the answer."""
        files = [self.upload(content, name).json["file"] for content, name in (one, two)]
        return self.post("api/pairs", {"i1": files[0], "i2": files[1], **settings})

    def left(self):
        """What lies in the private folder."""
        return sorted(path.name for path in self.folder.iterdir())


def until(condition, seconds=30):
    """Waits for a condition; what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)
    return found


def png(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def written(folder, image, name, **options):
    """The bytes of an image file that ``images.write`` makes."""
    images.write(folder / name, image, overwrite=True, **options)
    return (folder / name).read_bytes()


@contextmanager
def served(folder, *, size="xxxs", **limits):
    """A server with a private folder; gives a client."""
    pytest.importorskip("starlette", reason=NEEDED)
    pytest.importorskip("uvicorn", reason=NEEDED)
    from fnet_jax.web.app import Limits
    from fnet_jax.web.server import listening, prepared

    host = "127.0.0.1"
    with listening(host, 0) as listener:
        server, address = prepared(host, listener, folder, limits=Limits(**limits), size=size)
        options = {"sockets": [listener]}
        thread = threading.Thread(target=server.run, kwargs=options, daemon=True)
        thread.start()
        try:
            yield Client(address, folder)
        finally:
            server.should_exit = True
            thread.join(30)
