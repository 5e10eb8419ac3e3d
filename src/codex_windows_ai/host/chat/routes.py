"""POST /v1/chat/completions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.host.chat.answer import ChatAnswer, Completion
from codex_windows_ai.host.chat.prompt import ChatPrompt, read_chat
from codex_windows_ai.host.chat.request import NOT_SUPPORTED, ChatRequest
from codex_windows_ai.host.chat.response import ChatCompletion, ChatCompletionChunk
from codex_windows_ai.host.error_shape import error_body
from codex_windows_ai.host.identity import agent_of
from codex_windows_ai.host.metrics import Metrics
from codex_windows_ai.host.models_list import check_model
from codex_windows_ai.host.request_body import read_body
from codex_windows_ai.host.sse import event_stream, unless_disconnected, with_heartbeats
from codex_windows_ai.host.state import Host
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

# What a proxy logs for a client that left before its answer; nobody is left to read it.
_CLIENT_CLOSED_REQUEST = 499


async def create_chat_completion(request: Request) -> Response:
    """Continues a conversation."""
    chat = await read_body(request, ChatRequest, not_supported=NOT_SUPPORTED)
    prompt = await asyncio.to_thread(read_chat, chat, agent=agent_of(request))
    host: Host = request.app.state.host
    runtime = await host.runtime()
    check_model(chat.model, runtime)
    exchange = _Exchange(chat, prompt, runtime, host.metrics)
    if chat.stream:
        chunks = exchange.chunks()
        # What is wrong with a request shows before its first chunk, while there still is a status to say it with.
        return event_stream(_events(await anext(chunks), chunks))
    try:
        completion = await unless_disconnected(request, exchange.completion())
    except ClientDisconnect:
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    return Response(completion.model_dump_json(exclude_unset=True), media_type="application/json")


class _Exchange:
    """One request and its answer. Leaving either coroutine early cancels the request in the engine."""

    def __init__(self, chat: ChatRequest, prompt: ChatPrompt, runtime: WindowsAiRuntime, metrics: Metrics) -> None:
        self._prompt = prompt
        self._runtime = runtime
        self._metrics = metrics
        self._include_usage = bool(chat.stream_options and chat.stream_options.include_usage)
        self._answer = ChatAnswer(prompt.parser(), logprobs=bool(chat.logprobs))
        self._completion = Completion(self._answer, runtime.source)

    async def completion(self) -> ChatCompletion:
        """The whole answer."""
        with self._metrics.measure(self._runtime.source, "chat") as measurement:
            # Encoding a long prompt takes a while, in which other requests want to be served.
            generation = await asyncio.to_thread(self._runtime.stream, self._prompt.generation)
            async with aclosing(generation):
                completion = await self._completion.whole(generation)
            measurement.usage, measurement.timings = self._answer.usage, self._answer.timings
            return completion

    async def chunks(self) -> AsyncGenerator[ChatCompletionChunk]:
        """The answer as it comes, and chunks that say nothing while it does not."""
        with self._metrics.measure(self._runtime.source, "chat") as measurement:
            generation = await asyncio.to_thread(self._runtime.stream, self._prompt.generation)
            chunks = with_heartbeats(
                self._completion.chunks(generation, include_usage=self._include_usage),
                lambda: self._completion.heartbeat(include_usage=self._include_usage),
            )
            async with aclosing(generation), aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
            measurement.usage, measurement.timings = self._answer.usage, self._answer.timings


async def _events(
    first: ChatCompletionChunk, rest: AsyncGenerator[ChatCompletionChunk]
) -> AsyncGenerator[tuple[None, Any]]:
    """The stream's events, to `[DONE]` or to an error."""
    async with aclosing(rest):
        yield None, first.model_dump_json(exclude_unset=True)
        try:
            async for chunk in rest:
                yield None, chunk.model_dump_json(exclude_unset=True)
        except WindowsAiError as error:
            yield None, error_body(error)
            return
        yield None, "[DONE]"


routes = [Route("/v1/chat/completions", create_chat_completion, methods=["POST"])]
