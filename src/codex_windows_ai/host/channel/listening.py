"""Opens the channel door for as long as the host runs: on Linux a socket, on Windows through the driver."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from codex_windows_ai.api.channel.door import ChannelDoor
from codex_windows_ai.discovery.record import channel_socket
from codex_windows_ai.errors import HostStartError
from codex_windows_ai.host.channel.registration import DriverRegistration
from codex_windows_ai.host.host import Host


@asynccontextmanager
async def open_channel_door(host: Host) -> AsyncGenerator[None]:
    """Where the door cannot be opened the status and the log say why, and the host's other doors do without it.

    On Windows it opens once the kernel driver is there, which may be later.
    """
    door = ChannelDoor(host.desk)
    async with AsyncExitStack() as stack:
        if sys.platform == "linux":
            from codex_windows_ai.channel.linux import ChannelListener

            try:
                listener = await stack.enter_async_context(ChannelListener(channel_socket(), door.serve))
            except HostStartError as error:
                host.tell_channels(open=False, detail=error.message_and_hint)
            else:
                host.tell_channels(open=True, detail=f"At {listener.path}.")
        elif sys.platform == "win32":
            registration = DriverRegistration(host, door)
            host.expect_driver(registration.look)
            stack.push_async_callback(registration.close)
        else:
            host.tell_channels(open=False, detail=f"There are no channels on {sys.platform}.")
        yield
