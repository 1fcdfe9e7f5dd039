"""The exceptions for input that cannot be used."""


class InputError(ValueError):
    """Something the caller gave cannot be used.

    The message is one line that names the file, array or option and says what to do about it, fit
    to be shown to a user as it is.
    """


class DamagedError(InputError):
    """A file is not what was written: bytes have changed, or are missing."""


def first_line(error: BaseException) -> str:
    """The first 200 characters of an error's first line, or its type's name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
