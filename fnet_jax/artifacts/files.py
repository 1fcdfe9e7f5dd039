"""Files of text: written whole or not at all, and named when that fails; checksums of any file."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fnet_jax.errors import InputError


def replace_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all; raises OSError.

    Of file names that are no UTF-8, the bytes that are not come out as question marks.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        temporary.write_bytes(text.encode("utf-8", "replace"))
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def writable(path: Path, *, remedy: str) -> Iterator[None]:
    """Turns a failure to write a file or folder into an InputError that names it.

    Args:
        path: what is being written.
        remedy: what else to do than to check space and permissions, such as "give another --out".
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); check space and permissions there, or "
            f"{remedy}"
        ) from error


def sha256(path: Path) -> str:
    """Checksum of a file's bytes, 64 hexadecimal digits; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
