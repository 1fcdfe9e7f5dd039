"""How long work tells its caller what goes wrong with single files, and how far it is."""

from collections.abc import Callable

Tell = Callable[[str], None]
"""Takes a line that names a file and says what is wrong with it and what to do."""
