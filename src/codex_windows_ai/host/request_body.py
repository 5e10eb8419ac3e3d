"""A request's JSON body as a pydantic model, with errors that name the parameter at fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from codex_windows_ai.errors import InvalidRequestError

Body = TypeVar("Body", bound=BaseModel)

# Clients send long prompts; an error that repeats one whole helps nobody.
_LONGEST_VALUE = 100


async def read_body(request: Request, model: type[Body], *, not_supported: Mapping[str, str]) -> Body:
    """The body, checked. `not_supported` says of known parameters why this door refuses them.

    Raises InvalidRequestError: it is not JSON, or a parameter is missing, wrong, unknown or refused.
    """
    raw = await request.body()
    try:
        content = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"The request's body is not valid JSON: {error}", hint="Send one JSON object as application/json."
        ) from error
    if not isinstance(content, dict):
        raise InvalidRequestError(f"The request's body must be a JSON object, found {_shown(content)}.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _named(error.errors(include_url=False), not_supported) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _named(errors: list[ErrorDetails], not_supported: Mapping[str, str]) -> InvalidRequestError:
    """The first error as a sentence; of a union's alternatives, the one that got furthest."""
    first = max(errors, key=lambda error: (error["loc"][:1] == errors[0]["loc"][:1], len(error["loc"])))
    param, name = _path(first["loc"]), str(first["loc"][0]) if first["loc"] else ""
    if reason := not_supported.get(name):
        return InvalidRequestError(f"`{name}` is not supported here: {reason}.", param=name)
    if first["type"] == "extra_forbidden":
        return InvalidRequestError(f"`{param}` is not a known parameter.", hint="Leave it out.", param=param)
    if first["type"] == "missing":
        return InvalidRequestError(f"`{param}` is required.", param=param)
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidRequestError(f"`{param}`: {reason} (found: {_shown(first['input'])}).", param=param)


def _path(location: tuple[int | str, ...]) -> str:
    """`messages[0].content` of a pydantic location; names of union alternatives are left out."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and not part[0].isupper():
            path += f".{part}" if path else part
    return path


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
