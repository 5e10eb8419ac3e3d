"""Ways to have small requests answered: the status quo, and the host's three doors."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import psutil
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from codex_windows_ai.bench.context import Bench
from codex_windows_ai.bench.gpu import Gpu, share_what_devices_need
from codex_windows_ai.bench.process import LONGEST_SECONDS, Worker, memory_bytes
from codex_windows_ai.bench.small_requests import CHOICES, SCHEMA
from codex_windows_ai.bench.status_quo import SETTINGS
from codex_windows_ai.client.channel import ChannelClient
from codex_windows_ai.client.http import HostClient
from codex_windows_ai.discovery.record import HostRecord, read_record
from codex_windows_ai.errors import EngineError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message

HOST_MODULE = "codex_windows_ai.bench.host_worker"
STATUS_QUO_MODULE = "codex_windows_ai.bench.status_quo_mcp_server"

Ask = Callable[[str, str], Awaitable[str]]
"""Instruction and item in, one of the choices out."""


@dataclass(frozen=True, slots=True)
class Connected:
    """One `ask` for each agent, what the servers behind them weigh, and their passes and tokens of answers so far."""

    asks: list[Ask]
    memory_bytes: Callable[[], int]
    passed: Callable[[], Awaitable[tuple[int, int]]] | None = None


@asynccontextmanager
async def status_quo(bench: Bench, agents: int, settings: str) -> AsyncGenerator[Connected]:
    """An MCP server for each agent, each with a model of its own."""
    arguments = ["-m", STATUS_QUO_MODULE, str(bench.folder.path), json.dumps(SETTINGS[settings])]
    before = {child.pid for child in psutil.Process().children()}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client(stdio_client(StdioServerParameters(command=sys.executable, args=arguments)))
            )
            for _ in range(agents)
        ]
        servers = [child for child in psutil.Process().children() if child.pid not in before]

        def ask_of(client: Client) -> Ask:
            async def ask(instruction: str, item: str) -> str:
                arguments = {"instruction": instruction, "item": item, "choices": list(CHOICES)}
                return _text(await client.call_tool("classify", arguments))

            return ask

        yield Connected([ask_of(client) for client in clients], lambda: sum(memory_bytes(s.pid) for s in servers))


@asynccontextmanager
async def host(bench: Bench, gpu: Gpu | None = None) -> AsyncGenerator[tuple[HostRecord, Path, Worker]]:
    """The host as users run it, on the processor or on a GPU, its model loaded by the first request."""
    settings: dict[str, Any] = {"model": str(bench.folder.path), "provider": "engine:cpu"}
    if bench.threads:
        settings["threads"] = bench.threads
    with tempfile.TemporaryDirectory(prefix="cwai-") as folder:
        home = Path(folder)
        if gpu:
            settings["provider"] = "engine:gpu"
            if gpu.library:
                settings["execution_provider_library"] = str(gpu.library)
            share_what_devices_need(home)
        worker = Worker(bench.children, HOST_MODULE, str(home), json.dumps(settings))
        try:
            worker.wait_until_ready()
            record = read_record(home / "state" / "host.json")
            if record is None:
                raise EngineError("The measured host left no record of where it listens.")
            async with HostClient(record) as client:
                await client.authenticate()  # answered once all doors are open
            yield record, home, worker
        finally:
            worker.close()


def _passed_by(record: HostRecord) -> Callable[[], Awaitable[tuple[int, int]]]:
    async def passed() -> tuple[int, int]:
        async with HostClient(record) as client:
            await client.authenticate()
            engine = (await client.statistics())["engine"]
        return engine["passes"]["all"], engine["tokens"]["output"]

    return passed


@asynccontextmanager
async def over_http(
    bench: Bench, agents: int, gpu: Gpu | None = None, *, in_turn: bool = False
) -> AsyncGenerator[Connected]:
    """A connection of its own for each agent, to POST /v1/chat/completions.

    `in_turn`: an agent asks once the one before was answered.
    """
    turn = asyncio.Semaphore(1 if in_turn else agents)
    form = {"type": "json_schema", "json_schema": {"name": "choice", "schema": SCHEMA}}
    async with host(bench, gpu) as (record, _, worker), AsyncExitStack() as stack:

        def ask_of(client: HostClient) -> Ask:
            async def ask(instruction: str, item: str) -> str:
                messages = [{"role": "system", "content": instruction}, {"role": "user", "content": item}]
                body = {"model": bench.folder.name, "messages": messages, "response_format": form}
                async with turn:
                    answer = await client.post("/v1/chat/completions", body)
                return json.loads(answer["choices"][0]["message"]["content"])

            return ask

        clients = [await stack.enter_async_context(HostClient(record, agent=f"agent {n}")) for n in range(agents)]
        for client in clients:
            await client.authenticate()
        yield Connected([ask_of(client) for client in clients], worker.memory_bytes, _passed_by(record))


@asynccontextmanager
async def over_mcp(bench: Bench, agents: int) -> AsyncGenerator[Connected]:
    """An MCP client for each agent, all of one host."""
    async with host(bench) as (record, _, worker), AsyncExitStack() as stack:

        def ask_of(client: Client) -> Ask:
            async def ask(instruction: str, item: str) -> str:
                arguments = {"system": instruction, "prompt": item, "json_schema": SCHEMA}
                answer = json.loads(_text(await client.call_tool("generate", arguments)))
                return json.loads(cast("dict[str, Any]", answer)["text"])

            return ask

        asks: list[Ask] = []
        for _ in range(agents):
            headers = {"authorization": f"Bearer {record.read_token()}"}
            http = httpx2.AsyncClient(headers=headers, timeout=LONGEST_SECONDS, trust_env=False)
            await stack.enter_async_context(http)
            transport = streamable_http_client(f"{record.url}/mcp", http_client=http)
            asks.append(ask_of(await stack.enter_async_context(Client(transport))))
        yield Connected(asks, worker.memory_bytes, _passed_by(record))


@asynccontextmanager
async def over_channel(bench: Bench, agents: int) -> AsyncGenerator[Connected]:
    """A shared-memory channel for each agent."""
    from codex_windows_ai.channel.linux import connect_channel

    grammar = Grammar("json_schema", json.dumps(SCHEMA))
    async with host(bench) as (record, home, worker), AsyncExitStack() as stack:

        def ask_of(client: ChannelClient) -> Ask:
            async def ask(instruction: str, item: str) -> str:
                request = GenerationRequest((Message("system", instruction), Message("user", item)), grammar=grammar)
                return json.loads(
                    "".join([piece.text async for piece in client.stream(request) if isinstance(piece, Delta)])
                )

            return ask

        asks: list[Ask] = []
        for _ in range(agents):
            channel = await connect_channel(home / "state" / "channel.sock")
            asks.append(ask_of(await stack.enter_async_context(ChannelClient(channel))))
        yield Connected(asks, worker.memory_bytes, _passed_by(record))


def _text(result: Any) -> str:
    """What a tool said. Raises EngineError: it failed."""
    text = str(result.content[0].text)
    if result.is_error:
        raise EngineError(f"A measured tool failed: {text}")
    return text
