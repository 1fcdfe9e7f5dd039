"""Runs training programs in a separate environment."""

import json
import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fnet_jax.artifacts.progress import Report
from fnet_jax.artifacts.words import one_line
from fnet_jax.cli import program
from fnet_jax.errors import InputError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOG = "log.txt"
LOCK = "lock"
LAST = 3  # lines that are shown of a program that failed


def run(
    call: Sequence[str | Path],
    folder: Path,
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    each: Callable[[str], None] | None = None,
) -> None:
    """Runs a program in a folder to its end; its output goes to ``log.txt`` there.

    ``what`` is its name in messages, ``environment`` has variables in addition to ours, and
    ``each`` is called with each line of its output.

    Raises:
        InputError: it cannot be started, or fails; the message has its last lines.
    """
    for line in lines(call, folder, what=what, environment=environment):
        if each:
            each(line)


def lines(
    call: Sequence[str | Path],
    folder: Path,
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> Generator[str, None, None]:
    """As :func:`run`, but yields the lines of output; the program ends with the iterator.

    ``keep`` are open files that the program holds open too.
    """
    last: deque[str] = deque(maxlen=LAST)
    variables = {**os.environ, **(environment or {})}
    with (folder / LOG).open("a", encoding="utf-8") as log:
        try:
            process = subprocess.Popen(
                list(map(str, call)),
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                pass_fds=tuple(keep),
            )
        except OSError as error:
            raise InputError(
                f"{call[0]} cannot be started ({error.strerror}); run make downstream, or use "
                f"another interpreter with --python"
            ) from error
        program.children.add(process)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                log.flush()
                if line.strip():
                    last.append(line.strip())
                yield line.rstrip("\n")
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            program.children.discard(process)
    if status:
        said = one_line(" | ".join(last)) or "no output"
        raise InputError(f"{what} failed with status {status}: {said}; see {folder / LOG}")


@contextmanager
def alone(folder: Path, *, say: Report) -> Iterator[tuple[int, ...]]:
    """Waits until no other training runs in a folder, and keeps others out.

    A program that holds the files open (:func:`lines`) counts as long as it runs, even if the
    process that started it was killed.

    Returns:
        The open files that lock the folder; none if the system has no such locks.
    """
    if fcntl is None:
        yield ()
        return
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"{folder} is in use by another training program; waiting for its end")
            while True:
                time.sleep(0.2)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    continue
        yield (file.fileno(),)


def versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """Versions of packages, and of Python, in the environment of an interpreter.

    Raises:
        InputError: there is no such interpreter, or it lacks a package.
    """
    ask = (
        "import json, platform, sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
        "found = {'Python': platform.python_version()}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = version(name)\n"
        "    except PackageNotFoundError: found[name] = None\n"
        "print(json.dumps(found))"
    )
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        call = [str(python.absolute()), "-c", ask, *packages]
        run(call, Path(folder), what="Python", environment={"PYTHONPATH": ""}, each=said.append)
    found: dict[str, str | None] = json.loads(said[-1])
    missing = [name for name, known in found.items() if known is None]
    if missing:
        raise InputError(
            f"{python} lacks {', '.join(missing)}; run make downstream, or use another "
            f"interpreter with --python"
        )
    return {name: known for name, known in found.items() if known is not None}
