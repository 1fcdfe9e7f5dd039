"""Sphinx roles of the docstrings as cross-references: an extension of Griffe for the site."""

import re
from html import escape
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`(?:([^`<]+) <)?(~?)\.?([\w.]+)>?`")
LITERAL = re.compile(r"::$", re.MULTILINE)  # before an indented block of code


class Roles(griffe.Extension):
    """Turns ``:class:`~a.B``` into a link to a.B where the reference has it, else into code."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrites the docstring of an object."""
        if obj.docstring:
            text = ROLE.sub(lambda found: linked(obj, *found.groups()), obj.docstring.value)
            obj.docstring.value = LITERAL.sub(":", text)


def linked(obj: griffe.Object, text: str | None, short: str, name: str) -> str:
    """The HTML of one reference, which stays plain where nothing of that name is documented."""
    shown = escape(text or (name.rpartition(".")[2] if short else name))
    return (
        f'<autoref optional identifier="{escape(full(obj, name))}"><code>{shown}</code></autoref>'
    )


def full(obj: griffe.Object, name: str) -> str:
    """The full path of a name that is seen from an object."""
    try:
        return obj.resolve(name)
    except griffe.NameResolutionError:
        return name
