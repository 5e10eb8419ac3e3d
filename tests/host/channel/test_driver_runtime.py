"""The host in the driver's register. The driver itself is the real one in tests/wine; here it is a double."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from codex_windows_ai.engine.request import GenerationRequest, Message, ToolOffer
from codex_windows_ai.errors import ChannelRefusedError, DriverError, DriverStateError
from codex_windows_ai.host.channel import driver_runtime
from codex_windows_ai.host.channel.client import ChannelClient
from codex_windows_ai.host.channel.door import ChannelDoor
from codex_windows_ai.host.channel.driver_runtime import DriverRuntime, provider_kind
from codex_windows_ai.host.channel.prefixes import MOST_PREFIXES, RecentPrefixes, prefix_hash
from codex_windows_ai.host.state import Host
from codex_windows_ai.kernel.bridge import KernelDriverBridge
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.kernel.channel.channel import Channel
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import AnswerSource

pytestmark = pytest.mark.anyio


class Driver:
    """What a session of a runtime sees of the driver."""

    def __init__(self) -> None:
        self.registrations: list[dict[str, Any]] = []
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.arrivals: queue.Queue[BrokeredChannel | Exception] = queue.Queue()
        self.closed = threading.Event()
        self.refuses: Exception | None = None

    def register_windows_ai_runtime(self, **fields: Any) -> int:
        if self.refuses:
            raise self.refuses
        self.registrations.append(fields)
        return 1

    def report_stats(self, **fields: Any) -> None:
        self.reports.put(fields)

    def wait_connection(self) -> BrokeredChannel:
        arrival = self.arrivals.get()
        if isinstance(arrival, Exception):
            self.arrivals.put(arrival) if isinstance(arrival, DriverStateError) else None
            raise arrival
        return arrival

    def close(self) -> None:
        self.closed.set()
        self.arrivals.put(DriverStateError("closed"))


class Pipe:
    """Memory and wake-ups of both sides in one process."""

    def __init__(self) -> None:
        self.memory_ = bytearray(65536)
        self.listeners: dict[str, Callable[[], None]] = {}
        self.closed = False


class Side:
    brokered_by = "a double of the driver"

    def __init__(self, pipe: Pipe, name: str, peer: str) -> None:
        self._pipe, self._name, self._peer = pipe, name, peer
        self.memory = memoryview(pipe.memory_)
        self._loop = asyncio.get_running_loop()

    @property
    def gone(self) -> bool:
        return self._pipe.closed

    def wake_peer(self) -> None:
        if listener := self._pipe.listeners.get(self._peer):
            self._loop.call_soon(listener)

    def listen(self, on_change: Callable[[], None]) -> None:
        self._pipe.listeners[self._name] = on_change
        self._loop.call_soon(on_change)

    def close(self) -> None:
        self._pipe.closed = True
        self.wake_peer()


def brokered(number: int) -> BrokeredChannel:
    return BrokeredChannel(
        side="runtime",
        channel_id=number,
        runtime_id=1,
        peer_process_id=4711,
        section_bytes=65536,
        section=0,
        to_runtime=0,
        to_client=0,
        closed=0,
    )


def asking(text: str) -> GenerationRequest:
    return GenerationRequest(messages=(Message("system", "Be brief."), Message("user", text)), max_output_tokens=3)


async def test_the_host_registers_reports_and_serves_whom_the_driver_sends(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_runtime, "REPORT_SECONDS", 0)
    driver, host, pipes = Driver(), Host(tiny_settings), [Pipe(), Pipe()]
    runtime = DriverRuntime(
        host,
        ChannelDoor(host),
        cast("KernelDriverBridge", driver),
        make_link=lambda channel: Side(pipes[channel.channel_id], "runtime", "client"),
    )
    source = await host.source()
    report = await asyncio.to_thread(driver.reports.get)
    assert [registration["models"] for registration in driver.registrations] == [[source.model]]
    assert driver.registrations[0]["provider"] == "cpu"
    assert report["latency"] is None
    assert report["prefixes"] == []

    driver.arrivals.put(ChannelRefusedError("it went away"))  # the next ones are served all the same
    for number, pipe in enumerate(pipes):
        driver.arrivals.put(brokered(number))
        async with ChannelClient(Channel(Side(pipe, "client", "runtime"), client=True)) as client:
            pieces = [piece async for piece in client.stream(asking("hello"))]
            assert pieces[0] == replace(source, transport="channel", brokered_by="a double of the driver")
    while (report := await asyncio.to_thread(driver.reports.get))["latency"] is None:
        pass
    assert report["latency"] > 0
    assert report["prefixes"] == [prefix_hash(asking("something else"))]

    await runtime.close()
    assert driver.closed.is_set()
    await host.close()


async def test_a_driver_that_refuses_the_host_does_not_keep_it_from_working(tiny_settings: Settings) -> None:
    driver, host = Driver(), Host(tiny_settings)
    driver.refuses = DriverError("no room for another runtime")
    runtime = DriverRuntime(host, ChannelDoor(host), cast("KernelDriverBridge", driver))
    assert (await host.source()).provider == "engine"
    await runtime.close()
    assert driver.reports.empty()
    await host.close()


@pytest.mark.parametrize(
    ("provider", "device", "kind"),
    [
        ("language-model", "chosen by Windows", "language-model"),
        ("engine", "CPU: some", "cpu"),
        ("engine", "GPU: some", "gpu"),
        ("engine", "NPU: some", "npu"),
        ("action:x", "not known", "cpu"),
    ],
)
def test_the_driver_is_told_what_kind_of_provider_answers(provider: str, device: str, kind: str) -> None:
    assert provider_kind(AnswerSource(provider, device, "", "", "")) == kind


def test_a_prefix_is_the_tools_and_the_system_messages_and_nothing_else() -> None:
    first = GenerationRequest(messages=(Message("system", "a"), Message("user", "x")))
    assert prefix_hash(first) == prefix_hash(GenerationRequest(messages=(Message("system", "a"), Message("user", "y"))))
    assert prefix_hash(first) != prefix_hash(GenerationRequest(messages=(Message("system", "b"),)))
    assert prefix_hash(first) != prefix_hash(
        GenerationRequest(messages=first.messages, tools=ToolOffer(("{}",), "tools"))
    )
    assert prefix_hash(GenerationRequest(messages=(Message("user", "x"),))) == 0
    assert prefix_hash(GenerationRequest(messages=(Message("system", "\ud800"),))) > 0


def test_the_most_recent_prefixes_are_remembered_and_no_more_than_a_report_takes() -> None:
    recent = RecentPrefixes()
    requests = [
        GenerationRequest(messages=(Message("system", f"agent {number}"),)) for number in range(MOST_PREFIXES + 5)
    ]
    for request in [*requests, requests[10], GenerationRequest()]:
        recent.note(request)
    hashes = recent.hashes()
    assert len(hashes) == MOST_PREFIXES
    assert hashes[:2] == [prefix_hash(requests[10]), prefix_hash(requests[-1])]
    assert prefix_hash(requests[0]) not in hashes
