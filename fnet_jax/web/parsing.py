"""What requests ask for, as values of the library; all functions raise Refused if it is invalid."""

import json
from typing import Any

from starlette.requests import Request

from fnet_jax.fusing.edits import CODES, Edit, Feature
from fnet_jax.images.color import MODES
from fnet_jax.images.range_rules import rule_of
from fnet_jax.networks.sizes import SIZES
from fnet_jax.web.commands import Settings
from fnet_jax.web.guard import Refused

FORMATS = ("png", "jpg", "bmp", "tif")
REGISTER = ("none", "auto")
LARGEST_JSON = 2**20  # bytes of a request
SHOWN = 60  # characters of a wrong value that are shown in an error


async def json_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a request."""
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_JSON:
            raise Refused(413, "the request is too long; choose fewer files")
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the request is not JSON") from error
    if not isinstance(found, dict):
        raise Refused(400, "the request is not a JSON object")
    return found


def settings_of(asked: dict[str, Any], before: Settings) -> Settings:
    """The settings, changed as asked for."""
    values = {name: asked.get(name, getattr(before, name)) for name in vars(before)}
    choices = {"color": MODES, "size": tuple(SIZES), "register": REGISTER}
    for name, known in choices.items():
        if values[name] not in known:
            raise Refused(400, f"{name} {_quoted(values[name])}: use {', '.join(known)}")
    if isinstance(values["range"], str):
        try:
            values["range"] = rule_of(values["range"][:SHOWN])
        except ValueError as error:
            raise Refused(400, f"range {error}") from error
    elif "range" in asked and values["range"] is not None:
        raise Refused(400, "range must be a text such as type or 15,40")
    return Settings(**values)


def edit_of(asked: dict[str, Any]) -> Edit:
    """An edit as the page describes it."""
    try:
        scales = {name: float(asked.get(name, 1)) for name in CODES}
        off = {(CODES.index(code), int(number)) for code, number in asked.get("off") or []}
        return Edit(
            **scales,
            theta_scale=float(asked.get("theta", 1)),
            features=tuple(Feature(CODES[code], number, 0.0) for code, number in sorted(off)),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(400, "the edit is invalid") from error


def suffix_of(asked: dict[str, Any]) -> str | None:
    """The suffix of the format that is asked for; None for that of I1."""
    form = asked.get("format")
    if form is not None and form not in FORMATS:
        raise Refused(400, f"format {_quoted(form)}: use {', '.join(FORMATS)}")
    return form and f".{form}"


def wanted_of(asked: dict[str, Any]) -> tuple[Edit, str | None]:
    """The edit and the suffix of a download."""
    return edit_of(object_of(asked, "edit")), suffix_of(asked)


def object_of(asked: dict[str, Any], name: str) -> dict[str, Any]:
    """A JSON object inside the request; an empty one if it is missing."""
    found = asked.get(name)
    if found is not None and not isinstance(found, dict):
        raise Refused(400, f"{name} must be a JSON object")
    return found or {}


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
