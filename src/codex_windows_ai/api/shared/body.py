"""A request's JSON body as a pydantic model, with errors that name the parameter at fault."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request
from starlette.types import Message, Receive

from codex_windows_ai.api.shared.parsing import parse_json
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.large_requests import LARGE, beside

ASKS_NOTHING = {"cache_prompt": True, "moderation": False, "truncation": "disabled", "verbosity": "medium"}
"""Parameters that have no effect here, with the value for which none is missed."""


class BodyPart(BaseModel):
    """A part of a body: no value is taken for one of another type; what is not known is kept aside."""

    model_config = ConfigDict(extra="allow", strict=True)


def unknown_fields(part: BodyPart, place: str = "") -> list[str]:
    """The fields of a body that this host does not know and that ask for something."""
    found = [f"{place}{name}" for name, value in (part.model_extra or {}).items() if _asks(name, value)]
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BodyPart):
            found += unknown_fields(value, f"{place}{name}.")
    return found


def unknown_keys(fields: Mapping[str, object], known: Collection[str], place: str) -> list[str]:
    """The places of what an object has that is not known, where it is not null."""
    return [f"{place}.{name}" for name, value in fields.items() if name not in known and value is not None]


def _asks(name: str, value: object) -> bool:
    return value is not None and ASKS_NOTHING.get(name) != value


_MOST_PLACES = 100
_LONGEST_PLACE = 200


def each_once(places: Iterable[str]) -> list[str]:
    """Places in a body, without saying which of a list's members each is in: a history has hundreds."""
    found = list(dict.fromkeys(re.sub(r"\[\d+\]", "[]", place)[:_LONGEST_PLACE] for place in places))
    more = len(found) - _MOST_PLACES
    return [*found[:_MOST_PLACES], f"and {more} more"] if more > 0 else found


Body = TypeVar("Body", bound=BaseModel)

_TYPES = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "text",
}
"""What a value must be, by pydantic's name of the error, in words of JSON."""

# Clients send long prompts; an error that repeats one whole helps nobody.
_LONGEST_VALUE = 100


def read_already(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already in one piece, then whatever else the client does."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


async def read_body(request: Request, model: type[Body], *, not_supported: Mapping[str, str]) -> Body:
    """The body, checked. `not_supported` says of known parameters why this door refuses them.

    Raises InvalidRequestError: it is not JSON, or a parameter is missing, wrong or refused.
    """
    raw = await request.body()
    if len(raw) < LARGE:
        return _read(raw, model, not_supported)
    return await beside(len(raw), _read, raw, model, not_supported)


def _read(raw: bytes, model: type[Body], not_supported: Mapping[str, str]) -> Body:
    content = parse_json(raw)
    if not isinstance(content, dict):
        raise InvalidRequestError(f"The request's body must be a JSON object, found {_shown(content)}.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise _named(errors, cast("dict[str, Any]", content), not_supported) from error


def _named(
    errors: list[ErrorDetails], content: dict[str, Any], not_supported: Mapping[str, str]
) -> InvalidRequestError:
    """The first parameter's error as a sentence; of a union's alternatives, the one that got furthest.

    Of those that got as far, one that is of the value's type; where none is, what all of them take.
    """
    parameter = errors[0]["loc"][:1]
    errors = [error for error in errors if error["loc"][:1] == parameter]
    furthest = max(len(error["loc"]) for error in errors)
    errors = [error for error in errors if len(error["loc"]) == furthest]
    error = next((error for error in errors if error["type"] not in _TYPES), errors[0])
    param = _path(error, content)
    if parameter and (reason := not_supported.get(str(parameter[0]))):
        return InvalidRequestError(f"`{parameter[0]}` is not supported here: {reason}.", param=str(parameter[0]))
    if error["type"] == "missing":
        return InvalidRequestError(f"`{param}` is required.", param=param)
    found = f"(found: {_shown(error['input'])})"
    if error["type"] in _TYPES:
        types = " or ".join(dict.fromkeys(_TYPES[error["type"]] for error in errors))
        return InvalidRequestError(f"`{param}` must be {types} {found}.", param=param)
    return InvalidRequestError(f"`{param}`: {_reason(error)} {found}.", param=param)


def _reason(error: ErrorDetails) -> str:
    if error["type"].startswith("union_tag"):
        wanted = error.get("ctx", {}).get("expected_tags")
        return f"its `type` must be one of {wanted}" if wanted else "it has no `type`"
    reason = error["msg"].removeprefix("Value error, ").replace(" after validation", "")
    return reason[:1].lower() + reason[1:]


def _path(error: ErrorDetails, content: dict[str, Any]) -> str:
    """`messages[0].content` of a pydantic location, without the names of a union's alternatives in it.

    The alternatives of a tagged union are named by the value of the tag, which may be a key of the object as well.
    """
    path, value, entered = "", cast("Any", content), False
    *parts, last = error["loc"] or ("",)
    if error["type"] != "missing":
        parts, last = [*parts, last], ""
    for part in parts:
        if isinstance(part, int) and isinstance(value, list):
            path, value, entered = f"{path}[{part}]", cast("list[Any]", value)[part], True
        elif isinstance(value, dict):
            inside = cast("dict[Any, Any]", value)
            if entered and part in (inside.get("type"), inside.get("role")):
                entered = False
            elif part in inside:
                path, value, entered = f"{path}.{part}", inside[part], True
    return (f"{path}.{last}" if last else path).removeprefix(".")


def _shown(value: Any) -> str:
    # What is shown is the beginning; the rest is not even written.
    pieces = json.JSONEncoder(ensure_ascii=False, default=str).iterencode(
        value[: _LONGEST_VALUE + 1] if isinstance(value, str) else value
    )
    text = ""
    for piece in pieces:
        text += piece[: _LONGEST_VALUE + 1]
        if len(text) > _LONGEST_VALUE:
            break
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
