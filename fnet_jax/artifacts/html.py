"""Self-contained HTML pages: rendered templates with embedded images."""

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
    """Renders a template in a package's folder.

    Text is escaped, and a name without a value is an error. ``filters`` are functions that the
    template may use, by name.
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
    """A URL that embeds a file's bytes of MIME type ``kind``, such as ``image/png``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
