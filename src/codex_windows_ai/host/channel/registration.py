"""Keeps the host in the kernel driver's register, whenever the driver is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from codex_windows_ai.api.channel.door import ChannelDoor
from codex_windows_ai.channel.channel import Link
from codex_windows_ai.channel.windows import WindowsLink
from codex_windows_ai.errors import DriverError, NotAvailableError
from codex_windows_ai.host.channel.driver_runtime import DriverRuntime
from codex_windows_ai.host.host import Host
from codex_windows_ai.kernel.bridge import KernelDriverBridge
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel

LOOK_SECONDS = 30.0
"""Between two looks for the driver. One opens a file that is not there; who cannot wait calls `look`."""


class DriverRegistration:
    """Registers the host now, or once the driver is loaded, and again after the driver gave it up; until `close`.

    `open_bridge` opens a session with the driver, in a thread; `pause` is what lies between two looks for it.
    """

    def __init__(
        self,
        host: Host,
        door: ChannelDoor,
        *,
        open_bridge: Callable[[], KernelDriverBridge] = KernelDriverBridge.open,
        make_link: Callable[[BrokeredChannel], Link] = WindowsLink,
        pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(LOOK_SECONDS),
    ) -> None:
        self._host = host
        self._door = door
        self._open_bridge = open_bridge
        self._make_link = make_link
        self._pause = pause
        self._looking = asyncio.Lock()
        self._runtime: DriverRuntime | None = None
        self._keeping = asyncio.create_task(self._keep())

    async def look(self) -> None:
        """Registers the host unless it is registered; returns when `host.channels` says what came of it.

        Where the model is not loaded yet, that is that it is waited for.
        """
        async with self._looking:
            if self._runtime is None or self._runtime.ended:
                await self._begin()
            if self._runtime is not None and self._host.desk.ready:
                await self._runtime.settled.wait()

    async def close(self) -> None:
        """Ends the registration and all channels."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        async with self._looking:
            await self._end()

    async def _keep(self) -> None:
        while True:
            await self.look()
            await self._pause()

    async def _begin(self) -> None:
        await self._end()
        failure = self._host.models.failure()
        if failure is not None:  # a model is loaded again for a request that needs it; the driver does not
            self._tell(f"The model is not loaded: {failure.message}")
            return
        try:
            bridge = await asyncio.to_thread(self._open_bridge)
        except (DriverError, NotAvailableError) as error:
            self._tell(error.message_and_hint)
        else:
            self._runtime = DriverRuntime(self._host, self._door, bridge, self._make_link)

    async def _end(self) -> None:
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            await runtime.close()

    def _tell(self, why_not: str) -> None:
        self._host.tell_channels(open=False, detail=why_not)
