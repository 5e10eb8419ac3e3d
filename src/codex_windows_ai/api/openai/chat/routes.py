"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.api.openai.chat.answer import ChatAnswer, Completion
from codex_windows_ai.api.openai.chat.prompt import read_chat
from codex_windows_ai.api.openai.chat.request import NOT_SUPPORTED, ChatRequest
from codex_windows_ai.api.shared.body import read_body
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.api.shared.sse import event_stream, unless_disconnected, with_heartbeats
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.wire_errors import error_body, fault_of
from codex_windows_ai.serving.desk import Desk

_log = logging.getLogger(__name__)

# What a proxy logs for a client that left before its answer; nobody is left to read it.
_CLIENT_CLOSED_REQUEST = 499


async def create_chat_completion(request: Request) -> Response:
    """Continues a conversation.

    While the model loads, a stream begins at once and stays alive; what is wrong with the request
    then ends it. Otherwise that is said with a status, before anything is sent.
    """
    chat = await read_body(request, ChatRequest, not_supported=NOT_SUPPORTED)
    prompt = await asyncio.to_thread(read_chat, chat, agent=agent_of(request))
    desk: Desk = request.app.state.desk
    answer = ChatAnswer(prompt.parser(), logprobs=bool(chat.logprobs))
    completion = Completion(answer, chat.model, loosened=prompt.loosened)
    deltas = desk.generate(prompt.generation, model=chat.model, operation="chat", on_source=completion.answered_by)
    if chat.stream:
        if desk.ready:
            await anext(deltas)
        include_usage = bool(chat.stream_options and chat.stream_options.include_usage)
        return event_stream(_events(completion, deltas, include_usage=include_usage))
    try:
        whole = await unless_disconnected(request, completion.whole(deltas))
    except ClientDisconnect:
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        await deltas.aclose()
    return Response(whole.model_dump_json(exclude_unset=True), media_type="application/json")


async def _events(
    completion: Completion, deltas: AsyncGenerator[Delta], *, include_usage: bool
) -> AsyncGenerator[tuple[None, Any]]:
    """The stream's events, heartbeats among them, to `[DONE]` or to an error."""
    chunks = with_heartbeats(
        completion.chunks(deltas, include_usage=include_usage),
        lambda: completion.heartbeat(include_usage=include_usage),
    )
    async with aclosing(deltas), aclosing(chunks):
        try:
            async for chunk in chunks:
                yield None, chunk.model_dump_json(exclude_unset=True)
            yield None, "[DONE]"
        except WindowsAiError as error:
            yield None, error_body(error)
        except Exception as error:  # the client must hear of a fault of ours, too
            _log.exception("A chat completion failed")
            yield None, error_body(fault_of(error))


routes = [Route("/v1/chat/completions", create_chat_completion, methods=["POST"])]
