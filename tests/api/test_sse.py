"""Streams that stay alive, work that ends with its client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from sse_starlette import EventSourceResponse
from starlette.requests import ClientDisconnect, Request

from codex_windows_ai.api.shared import sse
from codex_windows_ai.api.shared.sse import unless_disconnected, with_heartbeats


async def gather(items: AsyncGenerator[str]) -> list[str]:
    return [item async for item in items]


def test_a_silent_source_is_filled_with_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.001)

    async def run() -> list[str]:
        enough = asyncio.Event()
        beats: list[str] = []

        def beat() -> str:
            beats.append("beat")
            if len(beats) == 3:
                enough.set()
            return "beat"

        async def source() -> AsyncGenerator[str]:
            yield "first"
            await enough.wait()
            yield "last"

        return await gather(with_heartbeats(source(), beat))

    received = asyncio.run(run())
    assert received[0] == "first"
    assert received[-1] == "last"
    assert received.count("beat") >= 3


def test_a_source_that_never_waits_has_no_heartbeats() -> None:
    async def source() -> AsyncGenerator[str]:
        for number in range(3):
            yield str(number)

    assert asyncio.run(gather(with_heartbeats(source(), lambda: "beat"))) == ["0", "1", "2"]


def test_an_error_of_the_source_arrives() -> None:
    async def source() -> AsyncGenerator[str]:
        yield "first"
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        asyncio.run(gather(with_heartbeats(source(), lambda: "beat")))


def test_leaving_early_ends_the_source_where_it_waits() -> None:
    ended: list[str] = []

    async def source() -> AsyncGenerator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def leave() -> None:
        beating = with_heartbeats(source(), lambda: "beat")
        assert await anext(beating) == "first"
        waiting = asyncio.ensure_future(anext(beating))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await beating.aclose()

    asyncio.run(leave())
    assert ended == ["ended"]


def test_a_stream_has_heartbeats_and_no_comment_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(EventSourceResponse, "DEFAULT_PING_INTERVAL", 0.001)

    async def events() -> AsyncGenerator[tuple[str | None, object]]:
        enough, beats = asyncio.Event(), list[str]()

        def beat() -> str:
            beats.append("beat")
            if len(beats) == 10:
                enough.set()
            return "beat"

        async def source() -> AsyncGenerator[str]:
            await enough.wait()
            yield "last"

        async for item in with_heartbeats(source(), beat):
            yield None, item

    async def read() -> list[str]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await sse.event_stream(events())(scope, receive, send)

        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
            return (await client.get("/")).text.split("\n\n")

    assert [line for line in asyncio.run(read()) if line] == ["data: beat"] * 10 + ["data: last"]


def request_of(*messages: str) -> Request:
    """A request whose client sends these messages and then says nothing."""
    left = list(messages)

    async def receive() -> dict[str, str]:
        if not left:
            await asyncio.Event().wait()
        return {"type": left.pop(0)}

    return Request({"type": "http", "headers": []}, receive)


def test_work_is_done_while_its_client_stays() -> None:
    async def work() -> str:
        return "done"

    assert asyncio.run(unless_disconnected(request_of("http.request"), work())) == "done"


def test_work_is_cancelled_when_its_client_leaves() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    with pytest.raises(ClientDisconnect):
        asyncio.run(unless_disconnected(request_of("http.request", "http.disconnect"), work()))
    assert ended == ["ended"]
