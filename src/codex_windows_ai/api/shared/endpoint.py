"""One way through an endpoint: ask, stream, stay alive, cancel, fail, say who answered.

An API has a function that makes a `Question` of a request's body, and an `AnswerWriter` that writes the answer in
its own form. All else is here.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from codex_windows_ai.api.shared.sse import event_stream, unless_disconnected, with_heartbeats
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.wire_errors import fault_of
from codex_windows_ai.serving.desk import Desk

Event = tuple[str | None, object]
"""An event's name, if the API has names, and its data; data that is no text is sent as JSON."""

_log = logging.getLogger(__name__)

# What a proxy logs for a client that left before its answer; nobody is left to read it.
_CLIENT_CLOSED_REQUEST = 499


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what of it is not done as asked: `remarks` stand in the answer under `windows_ai`."""

    request: GenerationRequest
    remarks: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])


Piece = TypeVar("Piece")
Taken = TypeVar("Taken", contravariant=True)


class AnswerWriter(Protocol[Taken]):
    """Writes an answer in the form of an API, from pieces of a kind. Events are sent in the order in which they are
    made.
    """

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, which is known once the model is loaded."""
        ...

    def begin(self) -> list[Event]:
        """The first events, before any work."""
        ...

    def add(self, delta: Taken, /) -> list[Event]:
        """What a piece of the answer brings; the last piece has the answer's end, too."""
        ...

    def heartbeat(self) -> list[Event]:
        """Says that the answer is still being worked on."""
        ...

    def fail(self, error: WindowsAiError) -> list[Event]:
        """The end of an answer that failed after its stream began."""
        ...

    def whole(self) -> object:
        """The whole answer, once the last piece was added: JSON text, or what JSON can be made of."""
        ...


async def answer(
    request: Request, question: Question, writer: AnswerWriter[Delta], *, operation: str, stream: bool
) -> Response:
    """Answers one question as `respond` does; `operation` is the endpoint's name in the metrics."""
    desk: Desk = request.app.state.desk
    deltas = desk.generate(question.request, operation=operation, on_source=writer.answered_by)
    return await respond(request, deltas, writer, stream=stream)


async def respond(
    request: Request, deltas: AsyncGenerator[Piece], writer: AnswerWriter[Piece], *, stream: bool
) -> Response:
    """Answers as a stream or in one piece; the first of the `deltas` comes once what is asked was accepted.

    While the model loads, a stream begins at once and stays alive; what is wrong with the request then ends it.
    A request that a loaded model cannot serve is refused before its stream begins, with the HTTP status of the error.
    A client that leaves ends its request before the engine's next step.
    """
    if stream:
        if request.app.state.desk.ready:
            await anext(deltas)
        return event_stream(_events(writer, deltas))
    try:
        return await unless_disconnected(request, _collect(writer, deltas))
    except ClientDisconnect:
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        await deltas.aclose()


async def _events(writer: AnswerWriter[Piece], deltas: AsyncGenerator[Piece]) -> AsyncGenerator[Event]:
    """The events of a stream, heartbeats among them."""
    async with aclosing(with_heartbeats(_pieces(writer, deltas), writer.heartbeat)) as beating:
        async for piece in beating:
            for event in piece:
                yield event


async def _pieces(writer: AnswerWriter[Piece], deltas: AsyncGenerator[Piece]) -> AsyncGenerator[list[Event]]:
    """What each piece of the answer brings, to its end or to an error."""
    yield writer.begin()
    async with aclosing(deltas):
        try:
            async for delta in deltas:
                if events := writer.add(delta):
                    yield events
        except WindowsAiError as error:
            yield writer.fail(error)
        except Exception as error:  # the client must hear of a fault of ours, too
            _log.exception("An answer failed")
            yield writer.fail(fault_of(error))


async def _collect(writer: AnswerWriter[Piece], deltas: AsyncGenerator[Piece]) -> Response:
    async for delta in deltas:
        writer.add(delta)
    whole = writer.whole()
    return Response(whole, media_type="application/json") if isinstance(whole, str) else JSONResponse(whole)
