"""Opens the channel door for as long as the host runs: on Linux a socket, on Windows through the driver."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from codex_windows_ai.errors import DriverError, HostStartError, NotAvailableError
from codex_windows_ai.host.channel.door import ChannelDoor
from codex_windows_ai.host.channel.driver_runtime import DriverRuntime
from codex_windows_ai.host.state import Host
from codex_windows_ai.settings import state_folder

_log = logging.getLogger(__name__)


def channel_socket() -> Path:
    """Where the host of this user hands out channels on Linux."""
    return state_folder() / "channel.sock"


@asynccontextmanager
async def open_channel_door(host: Host) -> AsyncGenerator[None]:
    """Where the door cannot be opened the log says why, and the host's other doors do without it."""
    door = ChannelDoor(host)
    async with AsyncExitStack() as stack:
        try:
            if sys.platform == "linux":
                from codex_windows_ai.kernel.channel.linux import ChannelListener

                await stack.enter_async_context(ChannelListener(channel_socket(), door.serve))
            elif sys.platform == "win32":
                stack.push_async_callback((await DriverRuntime.open(host, door)).close)
        except (HostStartError, NotAvailableError, DriverError) as error:
            _log.info("no channels: %s %s", error.message, error.hint or "")
        yield
