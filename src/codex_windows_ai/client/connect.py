"""A client's way to a channel: on Linux the host's socket, on Windows the kernel driver and what it chooses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from codex_windows_ai.channel.channel import Channel
from codex_windows_ai.channel.windows import WindowsLink
from codex_windows_ai.client.channel import ChannelClient
from codex_windows_ai.client.http import HostClient
from codex_windows_ai.discovery.record import channel_socket, read_record
from codex_windows_ai.errors import ChannelRefusedError, NoRuntimeError, NotAvailableError
from codex_windows_ai.kernel.bridge import KernelDriverBridge, OptimizedPath
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.protocol.prefixes import prefix_hash
from codex_windows_ai.protocol.request import GenerationRequest

PATIENCE_SECONDS = 2.0
"""How long a runtime may take to register, or to wait for its next client."""

_PAUSE_SECONDS = 0.01


async def connect(request: GenerationRequest, model: str) -> ChannelClient:
    """A channel to the runtime that suits `request` best, of those that have `model`.

    Raises NotAvailableError: no driver runs here (its subclass says why), or this operating system has
    no channels. NoRuntimeError, ChannelRefusedError, DriverError: the driver knows no such runtime, the
    runtime takes no client, or the driver failed. HostUnreachableError: the host does not listen, or not answer.
    """
    if sys.platform == "linux":
        from codex_windows_ai.channel.linux import connect_channel

        return ChannelClient(await connect_channel(channel_socket()), chosen="the host is the only runtime here")
    if sys.platform == "win32":
        bridge, path, brokered = await open_best_channel(model, prefix_hash(request), remind=_remind_host)
        link = WindowsLink(brokered, on_close=bridge.close)
        return ChannelClient(Channel(link, client=True), chosen=path.explanation)
    raise NotAvailableError(
        f"There are no channels on {sys.platform}.", hint="Leave out --kernel-accelerated: HTTP works everywhere."
    )


async def _remind_host() -> None:
    """Has a host that is older than the driver look for it, as it does when it is asked for its status."""
    record = read_record()
    if record is None:
        return
    async with HostClient(record) as client:
        await client.authenticate()
        await client.status()


async def open_best_channel(
    model: str, prefix: int, *, remind: Callable[[], Awaitable[None]]
) -> tuple[KernelDriverBridge, OptimizedPath, BrokeredChannel]:
    """A session with the driver, the runtime it chose, and a channel to that; the caller closes session and channel.

    A host whose model was just loaded is about to register, and one that just took a client takes the
    next in a moment: both look like a refusal, so the driver is asked again for PATIENCE_SECONDS, each
    time for the runtime that is the best by then. Where it knows none, `remind` is called once.

    Raises as `connect` does.
    """
    bridge = await asyncio.to_thread(KernelDriverBridge.open)
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    reminded = False
    try:
        while True:
            try:
                return bridge, *await asyncio.to_thread(_try_best, bridge, model, prefix)
            except (NoRuntimeError, ChannelRefusedError) as error:
                if asyncio.get_running_loop().time() >= deadline:
                    raise _after_patience(error) from error
                if isinstance(error, NoRuntimeError) and not reminded:
                    reminded = True
                    await remind()
            await asyncio.sleep(_PAUSE_SECONDS)
    except BaseException:
        bridge.close()
        raise


def _try_best(bridge: KernelDriverBridge, model: str, prefix: int) -> tuple[OptimizedPath, BrokeredChannel]:
    path = bridge.get_optimized_path(model, prefix_hash=prefix)
    return path, bridge.open_channel(path.runtime_id)


def _after_patience(error: NoRuntimeError | ChannelRefusedError) -> NoRuntimeError | ChannelRefusedError:
    if isinstance(error, NoRuntimeError):
        hint = "`cwai status` says whether the host is registered with the driver, or why not."
        return NoRuntimeError(error.message, hint=hint)
    return ChannelRefusedError(error.message, hint="It is very busy: try again, or leave out --kernel-accelerated.")
