"""HTML pages that need nothing else: they are filled-in templates, and hold their images."""

import base64
from collections.abc import Callable
from typing import Any


def render(
    package: str,
    template: str,
    /,
    *,
    filters: dict[str, Callable[..., Any]] | None = None,
    **values: Any,
) -> str:
    """Fills in a template.

    Text is escaped, and a name that has no value is an error.

    Args:
        package: the package beside whose modules the template lies.
        template: name of its file.
        filters: functions that the template may use, by name.
        values: of the template.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # slow to import

    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(values)


def data_url(content: bytes, kind: str) -> str:
    """The URL that holds the bytes of a file of MIME type ``kind``, such as ``image/png``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
