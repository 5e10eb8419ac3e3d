"""A request's JSON body as a pydantic model, with errors that name the parameter at fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from codex_windows_ai.errors import InvalidRequestError


class BodyPart(BaseModel):
    """A part of a body: no value is taken for one of another type; what is not known is kept aside."""

    model_config = ConfigDict(extra="allow", strict=True)


def unknown_fields(part: BodyPart, place: str = "") -> list[str]:
    """The fields of a body that this host does not know, each once, wherever in a list it stands."""
    found = [f"{place}{name}" for name in part.model_extra or ()]
    for name in type(part).model_fields:
        value = getattr(part, name)
        several = isinstance(value, list)
        for inner in cast("list[object]", value) if several else [value]:
            if isinstance(inner, BodyPart):
                found += unknown_fields(inner, f"{place}{name}{'[]' if several else ''}.")
    return list(dict.fromkeys(found))


Body = TypeVar("Body", bound=BaseModel)

# Clients send long prompts; an error that repeats one whole helps nobody.
_LONGEST_VALUE = 100


async def read_body(request: Request, model: type[Body], *, not_supported: Mapping[str, str]) -> Body:
    """The body, checked. `not_supported` says of known parameters why this door refuses them.

    Raises InvalidRequestError: it is not JSON, or a parameter is missing, wrong or refused.
    """
    raw = await request.body()
    try:
        content: Any = json.loads(raw, parse_constant=_refuse_constant)
        if b"\\u" in raw:
            json.dumps(content, ensure_ascii=False).encode()  # an escape can name half a character, which is no text
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            "The request's body is not valid Unicode: it holds a lone surrogate.",
            hint="A JSON escape such as \\ud83d must be followed by its other half.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"The request's body is not valid JSON: {error}", hint="Send one JSON object as application/json."
        ) from error
    if not isinstance(content, dict):
        raise InvalidRequestError(f"The request's body must be a JSON object, found {_shown(content)}.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise _named(errors, cast("dict[str, Any]", content), not_supported) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _named(
    errors: list[ErrorDetails], content: dict[str, Any], not_supported: Mapping[str, str]
) -> InvalidRequestError:
    """The first parameter's error as a sentence; of a union's alternatives, the one that got furthest."""
    parameter = errors[0]["loc"][:1]
    error = max((error for error in errors if error["loc"][:1] == parameter), key=lambda error: len(error["loc"]))
    param = _path(error, content)
    if parameter and (reason := not_supported.get(str(parameter[0]))):
        return InvalidRequestError(f"`{parameter[0]}` is not supported here: {reason}.", param=str(parameter[0]))
    if error["type"] == "missing":
        return InvalidRequestError(f"`{param}` is required.", param=param)
    reason = error["msg"][:1].lower() + error["msg"][1:]
    return InvalidRequestError(f"`{param}`: {reason} (found: {_shown(error['input'])}).", param=param)


def _path(error: ErrorDetails, content: dict[str, Any]) -> str:
    """`messages[0].content` of a pydantic location, without the names of a union's alternatives in it."""
    path, value = "", cast("Any", content)
    *parts, last = error["loc"] or ("",)
    if error["type"] != "missing":
        parts, last = [*parts, last], ""
    for part in parts:
        if isinstance(part, int) and isinstance(value, list):
            path, value = f"{path}[{part}]", cast("list[Any]", value)[part]
        elif isinstance(value, dict) and part in value:
            path, value = f"{path}.{part}", cast("dict[Any, Any]", value)[part]
    return (f"{path}.{last}" if last else path).removeprefix(".")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
