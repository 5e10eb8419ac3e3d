"""What client and host say to each other over a channel.

| from | kind | payload: JSON, in UTF-8 | followed by |
|---|---|---|---|
| client | REQUEST | a GenerationRequest; its `agent` is the channel's, whatever it says | SOURCE, TEXT…, or ERROR |
| client | CANCEL | nothing | the last DELTA, with the finish reason "cancelled" |
| client | STATISTICS | nothing | STATISTICS |
| host | SOURCE | an AnswerSource | |
| host | TEXT | a Delta with nothing but text: that text itself, not as JSON | TEXT or DELTA |
| host | DELTA | a Delta; the last of an answer has its finish reason | |
| host | ERROR | the error as the HTTP doors write it | nothing more to this request |
| host | STATISTICS | the engine's figures | |

The client numbers its requests as it likes; a number may be used again once its answer has ended.
"""

from __future__ import annotations

import json
from enum import IntEnum

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from codex_windows_ai.channel.channel import Message
from codex_windows_ai.errors import ChannelCorruptError, InvalidRequestError, WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.protocol.wire_errors import error_body, error_from_body


class FromClient(IntEnum):
    """Kinds of messages to the host."""

    REQUEST = 1
    CANCEL = 2
    STATISTICS = 3


class FromHost(IntEnum):
    """Kinds of messages to the client."""

    SOURCE = 1
    DELTA = 2
    ERROR = 3
    STATISTICS = 4
    TEXT = 5


_BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")  # a token need not be whole characters

_TOKENS = {"tokens"}

_requests = TypeAdapter(GenerationRequest)
_sources = TypeAdapter(AnswerSource)
_deltas = TypeAdapter(with_config(_BYTES)(Delta))
_statistics = TypeAdapter(EngineStatistics)


def encode_request(request: GenerationRequest) -> bytes:
    """A request for the host."""
    return _requests.dump_json(request)


def decode_request(payload: bytes) -> GenerationRequest:
    """What the client asks.

    Raises InvalidRequestError: it is no request.
    """
    try:
        return _requests.validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidRequestError(f"Not a request: {where}: {first['msg']}.", param=where) from error


def encode_source(source: AnswerSource) -> bytes:
    """Who answers."""
    return _sources.dump_json(source)


def delta_message(number: int, delta: Delta, *, tokens: bool) -> Message:
    """A piece of the answer to a request, with or without its tokens."""
    if delta.finish_reason is None and not tokens:
        return Message(FromHost.TEXT, number, delta.text.encode())
    return Message(FromHost.DELTA, number, _deltas.dump_json(delta, exclude=None if tokens else _TOKENS))


def encode_error(error: WindowsAiError) -> bytes:
    """Why an answer ended."""
    return json.dumps(error_body(error)).encode()


def encode_statistics(statistics: EngineStatistics) -> bytes:
    """The engine's figures."""
    return _statistics.dump_json(statistics)


def decode_answer(kind: int, payload: bytes) -> AnswerSource | Delta | EngineStatistics | WindowsAiError:
    """What the host says.

    Raises ChannelCorruptError: it is none of the host's messages.
    """
    try:
        match kind:
            case FromHost.TEXT:
                return Delta(text=payload.decode())
            case FromHost.SOURCE:
                return _sources.validate_json(payload)
            case FromHost.DELTA:
                return _deltas.validate_json(payload)
            case FromHost.STATISTICS:
                return _statistics.validate_json(payload)
            case FromHost.ERROR:
                error = error_from_body(json.loads(payload))
                if error is not None:
                    return error
            case _:
                pass
    except ValueError as error:
        raise ChannelCorruptError(f"The host sent what is no message of kind {kind}: {error}") from error
    raise ChannelCorruptError(f"The host sent a message of an unknown kind, {kind}.")
