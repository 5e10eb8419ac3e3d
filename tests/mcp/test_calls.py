"""Long calls: progress, cancellation, clients that leave, a model that is not there yet; who a call is from."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel
from starlette.applications import Starlette

from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.errors import ModelNotFoundError
from codex_windows_ai.mcp.server import McpDoor, create_mcp
from codex_windows_ai.mcp.tool import Arguments, Call, Tool, tool_annotations
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN
from tests.mcp.conftest import Connect, held_engine, wait_until

LONG = {"prompt": "the", "max_output_tokens": 400}


@contextlib.asynccontextmanager
async def client_of(door: McpDoor, mode: str = "legacy") -> AsyncGenerator[Client]:
    """A client of a door that no host is around."""
    app = Starlette(routes=door.routes)
    async with (
        door.lifespan(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), timeout=PATIENCE) as http,
        Client(streamable_http_client("http://127.0.0.1/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def test_progress_says_where_a_call_stands(connect: Connect, live_host: LiveHost) -> None:
    async def look() -> None:
        heard: list[tuple[float, str | None]] = []
        arrived = asyncio.Event()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, message))
            if len(heard) > 1:
                arrived.set()

        async with connect() as client:
            with held_engine(live_host):
                call = asyncio.create_task(client.call_tool("generate", LONG, progress_callback=hear))
                await asyncio.wait_for(arrived.wait(), PATIENCE)
            assert not (await call).is_error
        assert heard[0] == (0, "asking the model")
        assert heard[1][1] == "place 1 in the queue"
        assert [progress for progress, _ in heard] == sorted({progress for progress, _ in heard})

    asyncio.run(look())


def test_a_cancelled_call_ends_in_the_engine(connect: Connect, live_host: LiveHost) -> None:
    before = live_host.engine.statistics()

    async def look() -> None:
        async with connect() as client:
            with held_engine(live_host) as waiting:
                call = asyncio.create_task(client.call_tool("generate", LONG))
                await asyncio.to_thread(wait_until, lambda: waiting() >= 1)
                call.cancel()
                await asyncio.to_thread(wait_until, lambda: waiting() >= 2)
            await asyncio.gather(call, return_exceptions=True)
            await asyncio.to_thread(wait_until, lambda: live_host.engine.statistics().cancelled == before.cancelled + 1)
            assert not (await client.call_tool("generate", {"prompt": "a", "max_output_tokens": 2})).is_error

    asyncio.run(look())
    after = live_host.engine.statistics()
    assert (after.finished, after.running, after.waiting) == (before.finished + 1, 0, 0)


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", "2026-07-28"])
def test_a_client_that_leaves_frees_its_place(live_host: LiveHost, version: str) -> None:
    before = live_host.engine.statistics().cancelled
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
    }
    modern = version >= "2026"
    call: dict[str, Any] = {"name": "generate", "arguments": LONG}
    with httpx2.Client(base_url=live_host.url, headers=headers, timeout=PATIENCE) as http:
        if modern:
            prefix = "io.modelcontextprotocol"
            call["_meta"] = {f"{prefix}/protocolVersion": version, f"{prefix}/clientCapabilities": {}}
            http.headers |= {"mcp-method": "tools/call", "mcp-name": "generate"}
        else:
            hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
            opened = http.post("/mcp", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
            assert version in opened.text
            http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        with held_engine(live_host) as waiting:
            task = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            # Nothing is read: a server of 2026 sends no head before its first words.
            http.timeout = httpx2.Timeout(PATIENCE, read=0.2)
            with contextlib.suppress(httpx2.ReadTimeout), http.stream("POST", "/mcp", json=task):
                wait_until(lambda: waiting() >= 1)
            wait_until(lambda: waiting() >= 2)
    wait_until(lambda: live_host.engine.statistics().cancelled == before + 1)


def test_while_the_model_loads_the_door_answers_and_says_how_far_it_is() -> None:
    async def look() -> None:
        async def never() -> WindowsAiRuntime:
            await asyncio.Event().wait()
            raise AssertionError

        said: asyncio.Queue[str | None] = asyncio.Queue()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            said.put_nowait(message)

        # Not over HTTP: in memory only the answer of a whole call arrives there, not its progress.
        async with Client(create_mcp(never, loading=lambda: ("downloading", 1, 4)).server) as client:
            assert (await client.list_tools()).tools
            call = asyncio.create_task(client.call_tool("generate", LONG, progress_callback=hear))
            assert await asyncio.wait_for(said.get(), PATIENCE) == "the model is downloading: 25 %"
            read = (await client.read_resource("windows-ai://statistics")).contents[0]
            assert json.loads(read.text) == {"state": "loading", "stage": "downloading", "done": 1, "total": 4}  # pyright: ignore
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    asyncio.run(look())


def test_a_model_that_cannot_be_loaded_is_told_with_each_call() -> None:
    async def fail() -> WindowsAiRuntime:
        raise ModelNotFoundError("There is no model `absent`.", hint="`cwai models list` shows them.")

    async def look() -> None:
        async with client_of(create_mcp(fail)) as client:
            result = await client.call_tool("generate", LONG)
        assert result.is_error
        assert result.content[0].text == "There is no model `absent`. `cwai models list` shows them."  # pyright: ignore

    asyncio.run(look())


class Named(BaseModel):
    agent: str


def who_am_i() -> Tool:
    async def run(arguments: Arguments, call: Call) -> Named:
        return Named(agent=call.agent)

    return Tool("who_am_i", "Who am I", "Your name.", run, tool_annotations(read_only=True), result=Named)


def never_opened() -> Any:
    raise AssertionError("nobody asks for the model")


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_an_agent_is_its_codex_thread_else_what_its_request_says(mode: str) -> None:
    async def look() -> None:
        door = create_mcp(never_opened, agent_of=agent_of, extra_tools=[who_am_i()])
        async with client_of(door, mode) as client:

            async def name(meta: Any = None) -> str:
                return (await client.call_tool("who_am_i", meta=meta)).structured_content["agent"]  # pyright: ignore

            assert await name({"threadId": "t-1"}) == "session-id:t-1"
            first = await name()
            assert first == await name()
            assert first.startswith("mcp-session-id:" if mode == "legacy" else "address:")

    asyncio.run(look())


def test_a_fault_of_ours_is_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    async def run(arguments: Arguments, call: Call) -> Named:
        raise LookupError("a secret")

    async def look() -> None:
        tool = Tool("break", "Break", "Breaks.", run, tool_annotations(read_only=True), result=Named)
        async with client_of(create_mcp(never_opened, extra_tools=[tool])) as client:
            result = await client.call_tool("break")
        assert result.is_error
        assert "LookupError" in result.content[0].text and "secret" not in result.content[0].text  # pyright: ignore

    asyncio.run(look())
    assert "a secret" in caplog.text


def test_without_the_token_nothing_is_answered(live_host: LiveHost) -> None:
    refused = httpx2.post(f"{live_host.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert refused.status_code == 401
