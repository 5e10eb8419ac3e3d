"""The host in the driver's register. The driver itself is the real one in tests/wine; here it is a double."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from codex_windows_ai.api.channel.door import ChannelDoor
from codex_windows_ai.channel.channel import Channel
from codex_windows_ai.client.channel import ChannelClient
from codex_windows_ai.errors import ChannelRefusedError, DriverError
from codex_windows_ai.host.channel import driver_runtime
from codex_windows_ai.host.channel.driver_runtime import DriverRuntime, provider_kind
from codex_windows_ai.host.host import Host
from codex_windows_ai.kernel.bridge import KernelDriverBridge
from codex_windows_ai.protocol.prefixes import MOST_PREFIXES, RecentPrefixes, prefix_hash
from codex_windows_ai.protocol.request import GenerationRequest, Message
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.tools import Tool, ToolSet
from codex_windows_ai.settings import Settings
from tests.host.channel.doubles import Driver, Pipe, Side, brokered

pytestmark = pytest.mark.anyio


def asking(text: str) -> GenerationRequest:
    return GenerationRequest(messages=(Message("system", "Be brief."), Message("user", text)), max_output_tokens=3)


async def test_the_host_registers_reports_and_serves_whom_the_driver_sends(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_runtime, "REPORT_SECONDS", 0)
    driver, host, pipes = Driver(), Host(tiny_settings), [Pipe(), Pipe()]
    runtime = DriverRuntime(
        host,
        ChannelDoor(host.desk),
        cast("KernelDriverBridge", driver),
        make_link=lambda channel: Side(pipes[channel.channel_id], "runtime", "client"),
    )
    source = (await host.models.runtime()).source
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
    runtime = DriverRuntime(host, ChannelDoor(host.desk), cast("KernelDriverBridge", driver))
    assert (await host.models.runtime()).source.provider == "engine"
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
        GenerationRequest(messages=first.messages, tools=ToolSet((Tool("function", "use"),)))
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
