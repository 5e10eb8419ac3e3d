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

from enum import IntEnum

from codex_windows_ai.channel.channel import Message
from codex_windows_ai.errors import ChannelCorruptError, WindowsAiError
from codex_windows_ai.protocol import codec
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics


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


def delta_message(number: int, delta: Delta, *, tokens: bool) -> Message:
    """A piece of the answer to a request, with or without its tokens."""
    if delta.finish_reason is None and not tokens and not delta.parts:
        return Message(FromHost.TEXT, number, delta.text.encode())
    return Message(FromHost.DELTA, number, codec.encode_delta(delta, tokens=tokens))


def decode_answer(kind: int, payload: bytes) -> AnswerSource | Delta | EngineStatistics | WindowsAiError:
    """What the host says.

    Raises ChannelCorruptError: it is none of the host's messages.
    """
    try:
        match kind:
            case FromHost.TEXT:
                return Delta(text=payload.decode())
            case FromHost.SOURCE:
                return codec.decode_source(payload)
            case FromHost.DELTA:
                return codec.decode_delta(payload)
            case FromHost.STATISTICS:
                return codec.decode_statistics(payload)
            case FromHost.ERROR:
                return codec.decode_error(payload)
            case _:
                pass
    except ValueError as error:
        raise ChannelCorruptError(f"The host sent what is no message of kind {kind}: {error}") from error
    raise ChannelCorruptError(f"The host sent a message of an unknown kind, {kind}.")
