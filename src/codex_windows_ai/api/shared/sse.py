"""Server-sent events that stay alive, and requests that end when their client leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect, Request

HEARTBEAT_SECONDS = 3.0
"""Clients give up on a silent stream. Comments do not count for Codex, data does."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def event_stream(events: AsyncGenerator[tuple[str | None, object]]) -> EventSourceResponse:
    """An answer of `(event name or None, data)`; data that is no text is sent as JSON.

    When the client leaves, `events` is cancelled where it waits.
    """

    async def encoded() -> AsyncGenerator[ServerSentEvent]:
        async with contextlib.aclosing(events) as source:
            async for name, data in source:
                text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
                yield ServerSentEvent(text, event=name, sep="\n")

    # No pings of the library's: those are comments, at which some clients break off. Heartbeats are data.
    return EventSourceResponse(encoded(), sep="\n", ping=0, headers={"x-accel-buffering": "no"})


async def with_heartbeats(items: AsyncIterator[Item], beat: Callable[[], Item]) -> AsyncGenerator[Item]:
    """The same items, and `beat()` whenever none came for HEARTBEAT_SECONDS."""
    waiting = asyncio.ensure_future(anext(items))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield beat()
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            yield item
            waiting = asyncio.ensure_future(anext(items))
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns; it is cancelled when the client leaves. The body must have been read.

    Raises ClientDisconnect: the client left.
    """
    running = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientDisconnect
        return running.result()
    finally:
        for task in (running, leaving):
            task.cancel()
        await asyncio.gather(running, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
