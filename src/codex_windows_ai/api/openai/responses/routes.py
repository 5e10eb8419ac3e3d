"""POST /v1/responses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codex_windows_ai.api.openai.responses.events import Event, ResponseEvents
from codex_windows_ai.api.openai.responses.input import read_input
from codex_windows_ai.api.openai.responses.request import NOT_SUPPORTED, ResponsesRequest
from codex_windows_ai.api.openai.responses.response import new_response
from codex_windows_ai.api.shared.body import read_body
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.api.shared.sse import event_stream, unless_disconnected, with_heartbeats
from codex_windows_ai.chat.grammar import answer_grammar
from codex_windows_ai.chat.parser import ToolParser
from codex_windows_ai.chat.schema import loosened
from codex_windows_ai.chat.tools import make_tool_set, read_tools
from codex_windows_ai.errors import InvalidRequestError, WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.wire_errors import fault_of
from codex_windows_ai.serving.desk import Desk

_log = logging.getLogger(__name__)

# Codex offers these of its own accord, and only OpenAI's servers can run them.
_LEFT_OUT_FOR_CODEX = ("web_search", "image_generation", "tool_search")

# What a proxy logs for a client that left before its answer; nobody is left to read it.
_CLIENT_CLOSED_REQUEST = 499


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the engine, and the events that its answer becomes."""

    request: GenerationRequest
    events: ResponseEvents


async def create_response(request: Request) -> Response:
    """Answers one request, as a stream or in one piece.

    While the model loads, a stream begins at once and stays alive with `response.in_progress` events;
    what is wrong with the request after that ends it with `response.failed`. A request that a loaded
    model cannot serve is refused before its stream begins, with the HTTP status of the error.
    """
    desk: Desk = request.app.state.desk
    body = await read_body(request, ResponsesRequest, not_supported=NOT_SUPPORTED)
    question = await asyncio.to_thread(_prepare, body, agent_of(request), for_codex=_is_codex(request))
    events = question.events
    deltas = desk.generate(question.request, model=body.model, operation="responses", on_source=events.answered_by)
    if body.stream:
        if desk.ready:
            await anext(deltas)
        return event_stream(_numbered(_stream(events, deltas), events))
    try:
        return JSONResponse(await unless_disconnected(request, _collect(events, deltas)))
    except ClientDisconnect:
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        await deltas.aclose()


def _prepare(body: ResponsesRequest, agent: str, *, for_codex: bool) -> _Question:
    """Checks all that can be checked without the model."""
    without = _LEFT_OUT_FOR_CODEX if for_codex else ()
    left_out = [f"tools: {tool['type']}" for tool in body.tools or [] if tool.get("type") in without]
    if body.text and body.text.verbosity not in (None, "medium"):
        if not for_codex:
            raise InvalidRequestError(
                "`text.verbosity` is not supported here: models on this PC have no such setting.",
                hint="Leave it out, and say in the prompt how long the answer should be.",
                param="text.verbosity",
            )
        left_out.append("text.verbosity")
    conversation, additional = read_input(body.input, body.instructions, without=without)
    tools = read_tools(body.tools or [], without=without) + additional
    tool_set = make_tool_set(tools, body.tool_choice, parallel=body.parallel_tool_calls)
    text = body.text.format.grammar if body.text and body.text.format else None
    request = GenerationRequest(
        messages=conversation.messages(),
        tools=tool_set.offer,
        sampling=body.sampling,
        max_output_tokens=body.max_output_tokens,
        stop=body.stop_strings,
        grammar=answer_grammar(tool_set, text),
        agent=agent,
        provider=body.provider,
    )
    parser = ToolParser(tool_set, text_is_constrained=text is not None)
    remarks = {"left_out": left_out, "loosened": loosened(tool_set)}
    return _Question(request, ResponseEvents(new_response(body), parser, for_codex=for_codex, remarks=remarks))


def _is_codex(request: Request) -> bool:
    """Codex names itself; some rules differ for it (see ResponseEvents)."""
    return "originator" in request.headers or any(name.startswith("x-codex-") for name in request.headers)


async def _stream(events: ResponseEvents, deltas: AsyncGenerator[Delta]) -> AsyncGenerator[list[Event]]:
    """What each piece of the answer brings, to its end or to an error."""
    yield events.begin()
    async with aclosing(deltas):
        try:
            async for delta in deltas:
                yield events.add(delta)
        except WindowsAiError as error:
            yield events.fail(error)
        except Exception as error:  # the client must hear of a fault of ours, too
            _log.exception("A response failed")
            yield events.fail(fault_of(error))


async def _numbered(
    pieces: AsyncGenerator[list[Event]], events: ResponseEvents
) -> AsyncGenerator[tuple[str | None, object]]:
    """The events in the order they are sent, heartbeats among them."""
    number = 0
    async with aclosing(with_heartbeats(pieces, lambda: [events.heartbeat()])) as beating:
        async for piece in beating:
            for event in piece:
                yield event["type"], {**event, "sequence_number": number}
                number += 1


async def _collect(events: ResponseEvents, deltas: AsyncGenerator[Delta]) -> dict[str, Any]:
    """The whole answer."""
    async for delta in deltas:
        events.add(delta)
    return events.response


routes = [Route("/v1/responses", create_response, methods=["POST"])]
