"""The host's place in the driver's register, whenever the driver comes. The real driver is in tests/wine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from codex_windows_ai.api.channel.door import ChannelDoor
from codex_windows_ai.errors import DriverAccessDeniedError, DriverError, DriverNotFoundError, WindowsAiError
from codex_windows_ai.host.channel import driver_runtime
from codex_windows_ai.host.channel.registration import DriverRegistration
from codex_windows_ai.host.host import ChannelState, Host
from codex_windows_ai.kernel.bridge import KernelDriverBridge
from codex_windows_ai.settings import Settings
from tests.host.channel.doubles import Driver

pytestmark = pytest.mark.anyio

REGISTERED = ChannelState(True, "Registered with the kernel driver.")


class Machine:
    """Where a driver may be loaded or not, and time passes when a test says so."""

    def __init__(self) -> None:
        self.sessions: list[Driver] = []
        self.missing: WindowsAiError | None = None
        self.refuses: WindowsAiError | None = None
        self.looked = 0
        self._pauses: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    def open(self) -> KernelDriverBridge:
        self.looked += 1
        if self.missing is not None:
            raise self.missing
        self.sessions.append(Driver())
        self.sessions[-1].refuses = self.refuses
        return cast("KernelDriverBridge", self.sessions[-1])

    async def pause(self) -> None:
        passed = asyncio.get_running_loop().create_future()
        self._pauses.put_nowait(passed)
        await passed

    async def looks_again(self) -> None:
        """Lets the time between two looks pass, and returns when the second was had."""
        (await self._pauses.get()).set_result(None)
        self._pauses.put_nowait(await self._pauses.get())


@asynccontextmanager
async def registered_host(settings: Settings, machine: Machine) -> AsyncIterator[tuple[Host, DriverRegistration]]:
    host = Host(settings)
    registration = DriverRegistration(host, ChannelDoor(host.desk), open_bridge=machine.open, pause=machine.pause)
    yield host, registration
    await registration.close()
    await host.close()


def absent() -> DriverNotFoundError:
    return DriverNotFoundError("The kernel driver is not running.", hint="Start it.")


async def test_a_driver_that_is_there_lists_the_host_once_its_model_is_loaded(tiny_settings: Settings) -> None:
    machine = Machine()
    async with registered_host(tiny_settings, machine) as (host, registration):
        await host.models.runtime()
        await registration.look()
        assert host.channels == REGISTERED
        assert len(machine.sessions[0].registrations) == 1
    assert machine.sessions[0].closed.is_set()


async def test_while_the_model_loads_the_status_says_so(tiny_settings: Settings) -> None:
    machine = Machine()
    async with registered_host(tiny_settings, machine) as (host, registration):
        await registration.look()
        assert not host.channels.open
        assert "once the model is loaded" in host.channels.detail


async def test_a_driver_that_is_loaded_later_is_found_by_the_next_look(tiny_settings: Settings) -> None:
    machine = Machine()
    machine.missing = absent()
    async with registered_host(tiny_settings, machine) as (host, registration):
        await host.models.runtime()
        await registration.look()
        assert host.channels == ChannelState(False, "The kernel driver is not running. Start it.")
        machine.missing = None
        await machine.looks_again()
        assert host.channels == REGISTERED


async def test_who_asks_for_the_status_need_not_wait_for_the_next_look(tiny_settings: Settings) -> None:
    machine = Machine()
    machine.missing = absent()
    async with registered_host(tiny_settings, machine) as (host, registration):
        await host.models.runtime()
        await registration.look()
        machine.missing = None
        await asyncio.gather(registration.look(), registration.look())
        assert host.channels == REGISTERED
        assert len(machine.sessions) == 1


async def test_a_host_that_is_registered_does_not_look_any_more(tiny_settings: Settings) -> None:
    machine = Machine()
    async with registered_host(tiny_settings, machine) as (host, registration):
        await host.models.runtime()
        await registration.look()
        await machine.looks_again()
        await registration.look()
        assert machine.looked == 1


@pytest.mark.parametrize(
    "error", [DriverAccessDeniedError("This user may not open it."), DriverError("Cannot open it: out of memory.")]
)
async def test_why_the_driver_cannot_be_used_is_in_the_status(tiny_settings: Settings, error: WindowsAiError) -> None:
    machine = Machine()
    machine.missing = error
    async with registered_host(tiny_settings, machine) as (host, registration):
        await registration.look()
        assert host.channels == ChannelState(False, error.message)


async def test_a_registration_that_was_refused_is_tried_again(tiny_settings: Settings) -> None:
    machine = Machine()
    machine.refuses = DriverError("no room for another runtime")
    async with registered_host(tiny_settings, machine) as (host, registration):
        await host.models.runtime()
        await registration.look()
        assert not host.channels.open
        assert "no room for another runtime" in host.channels.detail
        machine.refuses = None
        await machine.looks_again()
        assert host.channels == REGISTERED
        assert machine.sessions[0].closed.is_set()


async def test_a_driver_that_gives_the_host_up_is_registered_with_again(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_runtime, "REPORT_SECONDS", 0)
    machine = Machine()
    async with registered_host(tiny_settings, machine) as (host, registration):
        await host.models.runtime()
        await registration.look()
        first = machine.sessions[0]
        first.fails = DriverError("the driver failed")
        await until(lambda: not host.channels.open)
        assert "the driver failed" in host.channels.detail
        await registration.look()
        assert host.channels == REGISTERED
        assert len(machine.sessions) == 2
        assert first.closed.is_set()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0)


async def test_a_model_that_could_not_be_loaded_is_not_loaded_again_for_the_driver(tiny_settings: Settings) -> None:
    machine = Machine()
    absent_model = tiny_settings.model_copy(update={"model": "absent"})
    async with registered_host(absent_model, machine) as (host, registration):
        await until(lambda: "`absent`" in host.channels.detail)
        failure = host.models.failure()
        for _ in range(3):
            await registration.look()
        assert host.models.failure() is failure is not None
        assert host.channels == ChannelState(False, f"The model is not loaded: {failure.message}")
        assert machine.looked == 1
