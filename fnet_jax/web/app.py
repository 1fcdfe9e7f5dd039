"""The application: answers the requests of the page with Fuser, edits and registration."""

import asyncio
import contextlib
import functools
import itertools
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from fnet_jax.artifacts.words import one_line
from fnet_jax.errors import InputError, reason
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.images import files
from fnet_jax.images.color import MODES
from fnet_jax.networks.sizes import SIZES
from fnet_jax.pairs.match import SAMPLES, Pair
from fnet_jax.version import __version__
from fnet_jax.web import SIZE, names, pictures
from fnet_jax.web.commands import Settings
from fnet_jax.web.desk import Desk
from fnet_jax.web.guard import Refused
from fnet_jax.web.jobs import RUNNING, Job
from fnet_jax.web.parsing import (
    FORMATS,
    edit_of,
    json_of,
    object_of,
    settings_of,
    suffix_of,
    wanted_of,
)

PAGE = Path(__file__).with_name("page")
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
DESKS, JOBS = 4, 4  # that are kept; older ones go
KEPT_BYTES = 3e9  # of the features of all desks; older desks go
WAITING = 32  # requests for the thread that computes; more are answered with 503
COLORS = {
    "auto": "auto: in color if I1 is",
    "full": "full-range color",
    "grey": "grey: the paper's, of visible and infrared",
    "limited": "limited-range color: the paper's, of medical images",
}
TITLES = {
    "synthetic_night_street": "Night street: visible + infrared",
    "synthetic_ct_mri": "Phantom head: CT + MRI",
    "synthetic_pet_mri": "Phantom head: PET + MRI",
}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Limits:
    """What is accepted.

    Attributes:
        bytes: of a file.
        total: bytes of all files.
        pixels: of an image.
        files: at a time.
    """

    bytes: int = 256 * 2**20
    total: int = 4 * 2**30
    pixels: int = 50_000_000
    files: int = 2000


@dataclass
class Upload:
    """A file that the page sent."""

    path: Path
    name: str
    bytes: int
    photo: bool = False


class Site:
    """The files, pairs and jobs of one page, and the requests about them."""

    def __init__(self, folder: Path, *, limits: Limits, size: str = SIZE) -> None:
        """Serves from a private folder, for the files that are sent."""
        self.folder, self.limits, self.size = folder, limits, size
        self._uploads: dict[str, Upload] = {}
        self._held = self._files = 0  # bytes and number of files, with those that are arriving
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._fusers: dict[str, Fuser] = {}
        self._numbers = itertools.count(1)
        self._computing = ThreadPoolExecutor(1, "desk")
        self._fusing = ThreadPoolExecutor(1, "jobs")
        self._waiting = 0
        self._loading = threading.Lock()

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self.page, methods=["GET"]),
            Route("/page/{name}", self.page, methods=["GET"]),
            Route("/api/about", self.about, methods=["GET"]),
            Route("/api/uploads", self.upload, methods=["POST"]),
            Route("/api/uploads/{file}", self.forget, methods=["DELETE"]),
            Route("/api/pairs", self.open, methods=["POST"]),
            Route("/api/pairs/{pair}", self.state, methods=["GET"]),
            Route("/api/pairs/{pair}", self.close, methods=["DELETE"]),
            Route("/api/pairs/{pair}/settings", self.change, methods=["POST"]),
            Route("/api/pairs/{pair}/fused", self.fused, methods=["POST"]),
            Route("/api/pairs/{pair}/picture/{name}.png", self.picture, methods=["GET"]),
            Route("/api/pairs/{pair}/map/{code}/{number}.png", self.map, methods=["GET"]),
            Route("/api/pairs/{pair}/celsius.f32", self.celsius, methods=["GET"]),
            Route("/api/pairs/{pair}/download", self.download, methods=["POST"]),
            Route("/api/pairs/{pair}/command", self.command, methods=["POST"]),
            Route("/api/jobs", self.start, methods=["POST"]),
            Route("/api/jobs/{job}", self.progress, methods=["GET"]),
            Route("/api/jobs/{job}", self.cancel, methods=["DELETE"]),
            Route("/api/jobs/{job}/fused.zip", self.zip, methods=["GET"]),
        ]
        handlers = {
            Refused: _refused,
            InputError: _wrong,
            MemoryError: _wrong,
            OSError: _failed,
            Exception: _failed,
            ClientDisconnect: _gone,
            HTTPException: _missing,
        }
        site = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._life)
        site.router.redirect_slashes = False
        return site

    @contextlib.asynccontextmanager
    async def _life(self, application: Starlette) -> AsyncIterator[None]:
        self._computing.submit(self._fuser, self.size)  # read while the page is opened
        yield
        for job in self._jobs.values():
            job.cancel()
        for pool in (self._computing, self._fusing):
            pool.shutdown(wait=False, cancel_futures=True)  # what is running may take minutes

    async def _compute(self, work: Callable[..., Answer], *arguments: Any) -> Answer:
        """Runs work in the thread that computes; raises Refused if too much waits for it."""
        if self._waiting >= WAITING:
            raise Refused(503, "too many requests at once; try again")
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._computing.submit(work, *arguments))
        finally:
            self._waiting -= 1

    def _fuser(self, size: str) -> Fuser:
        with self._loading:  # both threads may want it
            if size not in self._fusers:
                self._fusers[size] = Fuser.pretrained(size)
            return self._fusers[size]

    # The page and what it should know.

    async def page(self, request: Request) -> Response:
        """The page and its files."""
        name = request.path_params.get("name", "index.html")
        known = {path.name: path for path in PAGE.iterdir() if path.suffix in KINDS}
        if name not in known:
            raise Refused(404, f"there is no file {names.shown(name)}")
        return FileResponse(known[name], media_type=KINDS[known[name].suffix])

    async def about(self, request: Request) -> Response:
        """The choices and limits that the page shows."""
        sizes = [
            {"name": name, "features": size.features, "title": f"{name} ({size.features} features)"}
            for name, size in SIZES.items()
        ]
        return JSONResponse(
            {
                "version": __version__,
                "sizes": sizes,
                "size": self.size,
                "colors": [{"name": name, "title": COLORS[name]} for name in MODES],
                "samples": [
                    {"name": path.stem, "title": TITLES.get(path.stem, path.stem)}
                    for path in sorted((SAMPLES / "I1").iterdir())
                ],
                "formats": FORMATS,
                "limits": {
                    "bytes": self.limits.bytes,
                    "pixels": self.limits.pixels,
                    "files": self.limits.files,
                },
            }
        )

    # Files.

    async def upload(self, request: Request) -> Response:
        """Keeps a file in the private folder, under a name of ours."""
        if self._files >= self.limits.files:
            raise Refused(413, f"more than {self.limits.files} files; close some pairs first")
        key, name = f"f{next(self._numbers)}", request.query_params.get("name", "image.png")
        path, size = self.folder / f"{key}{names.suffix(name)}", 0
        self._files += 1
        try:
            with path.open("xb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    self._held += len(chunk)
                    if size > self.limits.bytes or self._held > self.limits.total:
                        raise Refused(
                            413, f"{names.shown(name)}: too many bytes; use a smaller file"
                        )
                    file.write(chunk)
            photo = await asyncio.to_thread(self._is_photo, path)
        except BaseException:
            self._remove(path, size)
            raise
        self._uploads[key] = Upload(path, name, size, photo)
        kind = "photo" if photo else "image"
        return JSONResponse({"file": key, "name": names.shown(name), "kind": kind})

    def _is_photo(self, path: Path) -> bool:
        """Whether a file is one of a thermal camera with a visible image as well."""
        try:
            camera = files.thermal_camera(path, max_pixels=self.limits.pixels)
            return camera is not None and camera.visible() is not None
        except (InputError, OSError, MemoryError):
            return False

    async def forget(self, request: Request) -> Response:
        """Removes a file."""
        upload = self._uploads.pop(request.path_params["file"], None)
        if upload:
            self._remove(upload.path, upload.bytes)
        return JSONResponse({})

    def _remove(self, path: Path, size: int) -> None:
        path.unlink(missing_ok=True)
        self._files -= 1
        self._held -= size

    def _upload(self, key: Any) -> Upload:
        if not isinstance(key, str) or key not in self._uploads:
            raise Refused(404, "this file no longer exists; choose it again")
        return self._uploads[key]

    # Pairs.

    async def open(self, request: Request) -> Response:
        """Puts a pair on the desk."""
        asked = await json_of(request)
        if "sample" in asked:
            found = [path for path in (SAMPLES / "I1").iterdir() if path.stem == asked["sample"]]
            if not found:
                raise Refused(404, "there is no such sample")
            pair = Pair(found[0], SAMPLES / "I2" / found[0].name)
            called = names.told_apart({pair.i1: found[0].name, pair.i2: found[0].name})
        else:
            one, two = (self._upload(asked.get("photo", asked.get(side))) for side in ("i1", "i2"))
            pair = Pair(one.path, two.path)
            called = names.told_apart({one.path: one.name, two.path: two.name})
        settings = settings_of(asked, Settings(size=self.size))

        def put() -> tuple[Desk, dict[str, Any]]:
            desk = Desk(pair, called, settings, self._fuser(settings.size), self.limits.pixels)
            return desk, desk.state()

        desk, state = await self._compute(put)
        if await request.is_disconnected():  # nobody waits for it any more
            return JSONResponse({})
        key = f"p{next(self._numbers)}"
        self._desks[key] = desk
        self._clear()
        return JSONResponse({"pair": key, **state})

    def _clear(self) -> None:
        """Takes the pairs off the desk that were not looked at for longest, if there are many."""
        desks = self._desks
        while len(desks) > DESKS or (
            len(desks) > 1 and sum(desk.feature_bytes for desk in desks.values()) > KEPT_BYTES
        ):
            desks.popitem(last=False)

    def _desk(self, request: Request) -> Desk:
        key = request.path_params["pair"]
        if key not in self._desks:
            raise Refused(404, "this pair was closed; open it again")
        self._desks.move_to_end(key)
        return self._desks[key]

    async def state(self, request: Request) -> Response:
        """The state of a pair."""
        state = await self._compute(self._desk(request).state)
        return JSONResponse({"pair": request.path_params["pair"], **state})

    async def close(self, request: Request) -> Response:
        """Takes a pair off the desk."""
        self._desks.pop(request.path_params["pair"], None)
        return JSONResponse({})

    async def change(self, request: Request) -> Response:
        """Other settings of a pair."""
        desk = self._desk(request)
        settings = settings_of(await json_of(request), desk.settings)
        await self._compute(lambda: desk.change(settings, self._fuser(settings.size)))
        self._clear()
        return await self.state(request)

    async def fused(self, request: Request) -> Response:
        """The fused image of an edit, for the screen."""
        desk, edit = self._desk(request), edit_of(await json_of(request))
        return await self._compute(lambda: _png(desk.fused(edit)))

    async def picture(self, request: Request) -> Response:
        """A picture of a pair."""
        desk, name = self._desk(request), request.path_params["name"]
        return await self._compute(_or_missing(lambda: _png(desk.picture(name))))

    async def map(self, request: Request) -> Response:
        """A feature map."""
        desk, at = self._desk(request), request.path_params
        full = request.query_params.get("full") == "1"
        number = int(at["number"]) if re.fullmatch("[0-9]{1,4}", at["number"]) else -1
        return await self._compute(
            _or_missing(lambda: _png(desk.map(at["code"], number, full=full)))
        )

    async def celsius(self, request: Request) -> Response:
        """The temperatures of a pair."""
        desk = self._desk(request)
        content = await self._compute(_or_missing(desk.celsius))
        return Response(content, media_type="application/octet-stream")

    async def download(self, request: Request) -> Response:
        """The fused image as a file, at full depth."""
        desk, (edit, suffix) = (
            self._desk(request),
            wanted_of(await json_of(request)),
        )
        name, content = await self._compute(lambda: desk.download(edit, suffix, self.folder))
        headers = {
            "content-disposition": f"attachment; filename*=utf-8''{quote(name)}",
            "x-command": quote(desk.command(edit, suffix)),
        }
        return Response(content, media_type="application/octet-stream", headers=headers)

    async def command(self, request: Request) -> Response:
        """The command line that does the same."""
        desk, (edit, suffix) = (
            self._desk(request),
            wanted_of(await json_of(request)),
        )
        return JSONResponse({"command": desk.command(edit, suffix)})

    # Jobs.

    async def start(self, request: Request) -> Response:
        """Starts a job."""
        asked = await json_of(request)
        settings = settings_of(object_of(asked, "settings"), Settings(size=self.size))
        suffix = suffix_of(asked)
        if sum(job.state == RUNNING for job in self._jobs.values()) >= JOBS:
            raise Refused(503, f"{JOBS} jobs are running; wait for one, or cancel one")
        given = asked.get("files", [])
        if not isinstance(given, list):
            raise Refused(400, "files must be a list")
        uploads = {key: self._upload(key) for key in given}
        photos = [(key, key, "") for key, upload in uploads.items() if upload.photo]
        found, unmatched = names.paired(
            {key: upload.name for key, upload in uploads.items() if not upload.photo}
        )
        found += photos
        if not found:
            raise Refused(400, "no two files form a pair; use names such as 1_vis.png and 1_ir.png")
        key = f"j{next(self._numbers)}"
        folder = self.folder / key
        folder.mkdir()
        job = Job(
            pairs={
                f"{key}_{i}": Pair(uploads[a].path, uploads[b].path)
                for i, (a, b, _) in enumerate(found)
            },
            names={f"{key}_{i}": names.stem(uploads[a].name) for i, (a, _, _) in enumerate(found)},
            called={upload.path: names.shown(upload.name) for upload in uploads.values()},
            folder=folder,
            unmatched=unmatched,
        )
        self._jobs[key] = job
        while len(self._jobs) > 2 * JOBS:
            _, old = self._jobs.popitem(last=False)
            shutil.rmtree(old.folder, ignore_errors=True)
        self._fusing.submit(
            lambda: job.run(settings, self._fuser(settings.size), suffix, self.limits.pixels)
        )
        return JSONResponse({"job": key})

    def _job(self, request: Request) -> Job:
        key = request.path_params["job"]
        if key not in self._jobs:
            raise Refused(404, "this job no longer exists")
        return self._jobs[key]

    async def progress(self, request: Request) -> Response:
        """The progress of a job."""
        return JSONResponse({"job": request.path_params["job"], **self._job(request).described()})

    async def cancel(self, request: Request) -> Response:
        """Stops a job."""
        self._job(request).cancel()
        return JSONResponse({})

    async def zip(self, request: Request) -> Response:
        """The fused images of a job."""
        job = self._job(request)
        if job.state == RUNNING or not job.written:
            raise Refused(409, "nothing is ready yet; wait until the job is done")
        return FileResponse(
            await asyncio.to_thread(job.zipped), media_type="application/zip", filename="fused.zip"
        )


def _png(image: Any) -> Response:
    return Response(pictures.png(image), media_type="image/png")


def _or_missing(work: Callable[[], Answer]) -> Callable[[], Answer]:
    @functools.wraps(work)
    def tried() -> Answer:
        try:
            return work()
        except KeyError as error:
            raise Refused(404, "this pair has no such picture") from error

    return tried


def _line(status: int, line: str) -> Response:
    headers = {"retry-after": "1"} if status == 503 else {}
    return JSONResponse({"error": one_line(line)}, status_code=status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _line(error.status, error.line)


async def _wrong(request: Request, error: Exception) -> Response:
    return _line(422, str(error) or "not enough memory; use smaller images")


async def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _line(error.status_code, "nothing is served here")


async def _failed(request: Request, error: Exception) -> Response:
    return _line(500, f"the request failed: {reason(error)}")


async def _gone(request: Request, error: Exception) -> Response:
    return _line(400, "cancelled")  # read by no one
