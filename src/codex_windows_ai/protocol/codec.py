"""Requests, answers and errors as JSON, and back: the same over HTTP between our own programs and over a channel."""

from __future__ import annotations

import json

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticSerializationError

from codex_windows_ai.errors import InvalidRequestError, WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.protocol.wire_errors import error_body, error_from_body

_BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")  # a token need not be whole characters

_NUMBERS = ConfigDict(ser_json_inf_nan="constants")  # what is no number is refused by name where it is used
_TOKENS = {"tokens"}

_requests = TypeAdapter(with_config(_NUMBERS)(GenerationRequest))
_sources = TypeAdapter(AnswerSource)
_deltas = TypeAdapter(with_config(_BYTES)(Delta))
_statistics = TypeAdapter(EngineStatistics)


def encode_request(request: GenerationRequest) -> bytes:
    """A request for the host.

    Raises InvalidRequestError: a text in it is not valid Unicode.
    """
    try:
        return _requests.dump_json(request)
    except PydanticSerializationError as error:
        raise InvalidRequestError(
            "The request is not valid Unicode: it holds a lone surrogate.",
            hint="Pass text through a terminal or a pipe that uses UTF-8.",
        ) from error


def decode_request(payload: bytes) -> GenerationRequest:
    """What a client asks.

    Raises InvalidRequestError: it is no request.
    """
    try:
        return _requests.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequestError(f"Not a request: {where}: {first['msg']}.", param=where) from error
    except ValueError as error:
        raise InvalidRequestError(f"Not a request: {error}.") from error


def encode_source(source: AnswerSource) -> bytes:
    """Who answers."""
    return _sources.dump_json(source)


def decode_source(payload: bytes) -> AnswerSource:
    """Who answers. Raises ValueError: it does not say so."""
    return _sources.validate_json(payload)


def encode_delta(delta: Delta, *, tokens: bool) -> bytes:
    """A piece of an answer, with or without its tokens."""
    return _deltas.dump_json(delta, exclude=None if tokens else _TOKENS)


def decode_delta(payload: bytes) -> Delta:
    """A piece of an answer. Raises ValueError: it is none."""
    return _deltas.validate_json(payload)


def encode_error(error: WindowsAiError) -> bytes:
    """Why an answer ended."""
    return json.dumps(error_body(error)).encode()


def decode_error(payload: bytes) -> WindowsAiError:
    """Why an answer ended. Raises ValueError: it does not say so."""
    error = error_from_body(json.loads(payload))
    if error is None:
        raise ValueError("it describes no error")
    return error


def encode_statistics(statistics: EngineStatistics) -> bytes:
    """The engine's figures."""
    return _statistics.dump_json(statistics)


def decode_statistics(payload: bytes) -> EngineStatistics:
    """The engine's figures. Raises ValueError: they are not."""
    return _statistics.validate_json(payload)
