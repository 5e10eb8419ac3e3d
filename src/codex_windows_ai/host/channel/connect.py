"""A client's way to a channel: on Linux the host's socket, on Windows the kernel driver and what it chooses."""

from __future__ import annotations

import asyncio
import sys

from codex_windows_ai.engine.request import GenerationRequest
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.host.channel.client import ChannelClient
from codex_windows_ai.host.channel.listening import channel_socket
from codex_windows_ai.host.channel.prefixes import prefix_hash
from codex_windows_ai.kernel.bridge import KernelDriverBridge, OptimizedPath
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.kernel.channel.channel import Channel
from codex_windows_ai.kernel.channel.windows import WindowsLink


async def connect(request: GenerationRequest, model: str) -> ChannelClient:
    """A channel to the runtime that suits `request` best, of those that have `model`.

    Raises NotAvailableError: no driver runs here (its subclass says why), or this operating system has
    no channels. NoRuntimeError, DriverError: the driver knows no such runtime, or failed.
    HostUnreachableError: on Linux, the host does not listen.
    """
    if sys.platform == "linux":
        from codex_windows_ai.kernel.channel.linux import connect_channel

        return ChannelClient(await connect_channel(channel_socket()), chosen="the host is the only runtime here")
    if sys.platform == "win32":
        bridge, path, brokered = await asyncio.to_thread(_open_best, model, prefix_hash(request))
        link = WindowsLink(brokered, on_close=bridge.close)
        return ChannelClient(Channel(link, client=True), chosen=path.explanation)
    raise NotAvailableError(
        f"There are no channels on {sys.platform}.", hint="Leave out --kernel-accelerated: HTTP works everywhere."
    )


def _open_best(model: str, prefix: int) -> tuple[KernelDriverBridge, OptimizedPath, BrokeredChannel]:
    bridge = KernelDriverBridge.open()
    try:
        path = bridge.get_optimized_path(model, prefix_hash=prefix)
        return bridge, path, bridge.open_channel(path.runtime_id)
    except BaseException:
        bridge.close()
        raise
