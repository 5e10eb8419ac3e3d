"""What is ours, as a process of its own.

The engine, driven with token ids through a pipe, or the host as users run it, asked over HTTP, MCP and the
shared-memory channel, on the processor or a GPU.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.process import LONGEST_SECONDS, Worker
from codex_windows_ai.bench.sides.side import Reply, SmallRequest, timed
from codex_windows_ai.bench.sides.status_quo import text_of
from codex_windows_ai.client.channel import ChannelClient
from codex_windows_ai.client.http import HostClient
from codex_windows_ai.devices.devices import Device, find_device
from codex_windows_ai.discovery.record import HostRecord, read_record
from codex_windows_ai.errors import EngineError
from codex_windows_ai.hardware.live import read_adapters
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message
from codex_windows_ai.settings import cache_folder, load_settings
from codex_windows_ai.windows_ai.engine_provider import EngineProvider

MODULE = "codex_windows_ai.bench.workers.ours"
_KEPT_FOR_DEVICES = ("compiled", "proven")


@asynccontextmanager
async def engine(bench: Bench, **configuration: Any) -> AsyncGenerator[Worker]:
    """The engine, one process for all agents, its model loaded; keyword arguments are fields of `EngineConfiguration`.

    Raises EngineError: it did not start.
    """
    options = json.dumps({"threads": bench.threads, **configuration})
    with Worker("engine", bench.children, MODULE, "engine", str(bench.folder.path), options) as worker:
        await worker.wait_until_ready()
        yield worker


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that the engine runs on; `library` is that of the setting `execution_provider_library`."""

    device: Device
    library: Path | None

    def load(self) -> float | None:
        """The share of time in which it worked, 0 to 1, over the last moment; None where nothing tells it."""
        device = self.device
        for figures in read_adapters():
            known = (device.luid is not None and device.luid == figures.luid) or device.address == figures.address
            if known and figures.load_percent is not None:
                return figures.load_percent / 100
        return None


def find_gpu(folder: ModelFolder) -> Gpu:
    """The GPU on which the engine computes this model.

    Raises NotAvailableError: there is none, or it was refused; see `EngineProvider`.
    """
    settings = load_settings(model=str(folder.path))
    device = find_device("gpu", settings.execution_provider_library)
    EngineProvider(settings, device=device).close()
    return Gpu(device, settings.execution_provider_library)


@dataclass(frozen=True, slots=True)
class Host:
    """A running host: where it listens, the folder of its files, and its process."""

    record: HostRecord
    home: Path
    worker: Worker

    @asynccontextmanager
    async def connect_http(self, agent: str | None = None) -> AsyncGenerator[HostClient]:
        """A client of its own, past the check of its token."""
        async with HostClient(self.record, agent=agent) as client:
            await client.authenticate()
            yield client

    @asynccontextmanager
    async def connect_mcp(self) -> AsyncGenerator[Client]:
        """An MCP session over HTTP."""
        headers = {"authorization": f"Bearer {self.record.read_token()}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=LONGEST_SECONDS, trust_env=False) as http,
            Client(streamable_http_client(f"{self.record.url}/mcp", http_client=http)) as client,
        ):
            yield client

    @asynccontextmanager
    async def connect_channel(self) -> AsyncGenerator[ChannelClient]:
        """A shared-memory channel; on Linux only."""
        from codex_windows_ai.channel.linux import connect_channel

        async with ChannelClient(await connect_channel(self.home / "state" / "channel.sock")) as client:
            yield client

    async def passes(self) -> tuple[int, int]:
        """Forward passes and tokens of answers so far."""
        async with self.connect_http() as client:
            engine = (await client.statistics())["engine"]
        return engine["passes"]["all"], engine["tokens"]["output"]


@asynccontextmanager
async def running_host(bench: Bench, gpu: Gpu | None = None) -> AsyncGenerator[Host]:
    """A host of the bench's own, on the processor or on `gpu`, its model loaded by the first request."""
    settings: dict[str, Any] = {"model": str(bench.folder.path), "provider": "engine:cpu"}
    if bench.threads:
        settings["threads"] = bench.threads
    with tempfile.TemporaryDirectory(prefix="cwai-") as folder:
        home = Path(folder)
        if gpu:
            settings["provider"] = "engine:gpu"
            if gpu.library:
                settings["execution_provider_library"] = str(gpu.library)
            _share_what_devices_need(home)
        with Worker("host", bench.children, MODULE, "host", str(home), json.dumps(settings)) as worker:
            await worker.wait_until_ready()
            record = read_record(home / "state" / "host.json")
            if record is None:
                raise EngineError("The measured host left no record of where it listens.")
            host = Host(record, home, worker)
            async with host.connect_http():
                pass  # answered once it listens everywhere
            yield host


def _share_what_devices_need(home: Path) -> None:
    """Gives a host that keeps its files below `home` what was compiled and proved for devices before."""
    for name in _KEPT_FOR_DEVICES:
        if (cache_folder() / name).is_dir():
            shutil.copytree(cache_folder() / name, home / "cache" / name)


_Ask = Callable[[SmallRequest], Awaitable[str]]


class HostSide:
    """A host with a connection for each agent; with `in_turn` one request at a time."""

    def __init__(self, name: str, host: Host, asks: Sequence[_Ask], *, in_turn: bool = False) -> None:
        self.name = name
        self._host = host
        self._asks = asks
        self._turn = asyncio.Semaphore(1 if in_turn else len(asks))

    async def ask(self, agent: int, question: SmallRequest) -> Reply:
        """The choice, over the agent's own connection; its times include the wait for its turn."""
        return await timed(self._answer(agent, question))

    def memory_bytes(self) -> int:
        """Physical memory of the host's process now."""
        return self._host.worker.memory_bytes()

    async def passes(self) -> tuple[int, int]:
        """Forward passes and tokens of answers so far."""
        return await self._host.passes()

    async def _answer(self, agent: int, question: SmallRequest) -> str:
        async with self._turn:
            return await self._asks[agent](question)


@asynccontextmanager
async def host_over_http(
    bench: Bench, agents: int, gpu: Gpu | None = None, *, in_turn: bool = False
) -> AsyncGenerator[HostSide]:
    """POST /v1/chat/completions."""

    def ask_over(client: HostClient) -> _Ask:
        async def ask(question: SmallRequest) -> str:
            messages = [
                {"role": "system", "content": question.instruction},
                {"role": "user", "content": question.item},
            ]
            form = {"type": "json_schema", "json_schema": {"name": "choice", "schema": _schema(question)}}
            body = {"model": bench.folder.name, "messages": messages, "response_format": form}
            answer = await client.post("/v1/chat/completions", body)
            return json.loads(answer["choices"][0]["message"]["content"])

        return ask

    async with running_host(bench, gpu) as host, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(host.connect_http(f"agent {n}")) for n in range(agents)]
        yield HostSide("host, HTTP", host, [ask_over(client) for client in clients], in_turn=in_turn)


@asynccontextmanager
async def host_over_mcp(bench: Bench, agents: int) -> AsyncGenerator[HostSide]:
    """The MCP tool `generate`."""

    def ask_over(client: Client) -> _Ask:
        async def ask(question: SmallRequest) -> str:
            arguments = {
                "system": question.instruction,
                "prompt": question.item,
                "json_schema": _schema(question),
            }
            answer = json.loads(text_of(await client.call_tool("generate", arguments)))
            return json.loads(cast("dict[str, Any]", answer)["text"])

        return ask

    async with running_host(bench) as host, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(host.connect_mcp()) for _ in range(agents)]
        yield HostSide("host, MCP", host, [ask_over(client) for client in clients])


@asynccontextmanager
async def host_over_channel(bench: Bench, agents: int) -> AsyncGenerator[HostSide]:
    """The shared-memory channel."""

    def ask_over(client: ChannelClient) -> _Ask:
        async def ask(question: SmallRequest) -> str:
            messages = (Message("system", question.instruction), Message("user", question.item))
            request = GenerationRequest(messages, grammar=Grammar("json_schema", json.dumps(_schema(question))))
            pieces = [piece.text async for piece in client.stream(request) if isinstance(piece, Delta)]
            return json.loads("".join(pieces))

        return ask

    async with running_host(bench) as host, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(host.connect_channel()) for _ in range(agents)]
        yield HostSide("host, channel", host, [ask_over(client) for client in clients])


def _schema(question: SmallRequest) -> dict[str, Any]:
    return {"enum": list(question.choices)}
