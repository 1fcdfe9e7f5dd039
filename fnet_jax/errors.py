"""Exceptions for input that cannot be used."""


class InputError(ValueError):
    """Something that the caller passed cannot be used.

    The message is one line for the user: it names the file, array or option, states what is wrong,
    and says what to do.
    """


class DamagedError(InputError):
    """The bytes of a file are not those that were written."""


def first_line(error: BaseException) -> str:
    """The first 200 characters of an error's first line, or its type's name where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def reason(error: BaseException) -> str:
    """Why something failed, in a few words: the system's own, such as "permission denied"."""
    words = error.strerror if isinstance(error, OSError) else None
    return words.lower() if words else first_line(error)
