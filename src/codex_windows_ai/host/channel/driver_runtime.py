"""The host as a runtime in the kernel driver's register: announced, reported on, open for channels."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable

from codex_windows_ai.api.channel.door import ChannelDoor
from codex_windows_ai.channel.channel import Channel, Link
from codex_windows_ai.channel.windows import WindowsLink
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.errors import ChannelRefusedError, DriverError, DriverStateError, WindowsAiError
from codex_windows_ai.host.host import Host
from codex_windows_ai.kernel.bridge import KernelDriverBridge, ProviderKind
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.protocol.source import AnswerSource

REPORT_SECONDS = 1.0
"""Between two reports of how busy the host is."""

WAITING_THREADS = 2
"""One takes the next client while the other hands over the last one."""

_log = logging.getLogger(__name__)


class DriverRuntime:
    """Registered from the moment the model is loaded until `close`; owns `bridge`, its session with the driver."""

    def __init__(
        self,
        host: Host,
        door: ChannelDoor,
        bridge: KernelDriverBridge,
        make_link: Callable[[BrokeredChannel], Link] = WindowsLink,
    ) -> None:
        self._host = host
        self._door = door
        self._bridge = bridge
        self._make_link = make_link
        self._loop = asyncio.get_running_loop()
        self._channels: set[asyncio.Task[None]] = set()
        self._threads: list[threading.Thread] = []
        self._answered = (0, 0.0)
        self.settled = asyncio.Event()
        """Set once the host is registered, or could not be."""
        host.tell_channels(open=False, detail="Registered with the kernel driver once the model is loaded.")
        self._reporting = asyncio.create_task(self._register_and_report())

    @property
    def ended(self) -> bool:
        """The host could not be registered, or reports are not taken any more."""
        return self._reporting.done()

    async def close(self) -> None:
        """Ends the session, and with it the registration and all channels."""
        self._reporting.cancel()
        await asyncio.to_thread(self._bridge.close)  # ends what the threads wait for
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        for task in self._channels:
            task.cancel()
        await asyncio.gather(self._reporting, *self._channels, return_exceptions=True)

    async def _register_and_report(self) -> None:
        try:
            source = (await self._host.models.runtime()).source
            await asyncio.to_thread(
                self._bridge.register_windows_ai_runtime,
                provider=provider_kind(source),
                models=[source.model],
                runtime_handle=os.getpid(),
                adapter_name=source.device,
                capacity=EngineConfiguration().max_sequences if source.provider == "engine" else 1,
            )
            for number in range(WAITING_THREADS):
                thread = threading.Thread(target=self._accept, name=f"channels {number}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._host.tell_channels(open=True, detail="Registered with the kernel driver.")
            self.settled.set()
            while True:
                await self._report()
                await asyncio.sleep(REPORT_SECONDS)
        except WindowsAiError as error:
            detail = f"Not registered with the kernel driver (any more): {error.message}"
            self._host.tell_channels(open=False, detail=detail)
        finally:
            self.settled.set()

    async def _report(self) -> None:
        statistics = self._host.desk.statistics()  # None where Windows' own language model answers alone
        answered, seconds = self._host.metrics.answered
        finished, took = answered - self._answered[0], seconds - self._answered[1]
        self._answered = (answered, seconds)
        await asyncio.to_thread(
            self._bridge.report_stats,
            queue_depth=statistics.waiting if statistics else 0,
            active_requests=statistics.running if statistics else self._host.activity.active_requests,
            latency=took / finished if finished else None,
            prefixes=self._door.prefixes.hashes(),
        )

    def _accept(self) -> None:
        """In a thread of its own: takes clients until the session ends."""
        while True:
            try:
                brokered = self._bridge.wait_connection()
            except ChannelRefusedError:  # a client that went away at once
                continue
            except DriverStateError:
                return
            except DriverError as error:
                _log.warning("no more channels: %s", error.message)
                return
            if brokered is not None:
                with contextlib.suppress(RuntimeError):  # the loop was closed: the process is about to end
                    self._loop.call_soon_threadsafe(self._start, brokered)

    def _start(self, brokered: BrokeredChannel) -> None:
        task = asyncio.create_task(self._serve(brokered))
        self._channels.add(task)
        task.add_done_callback(self._channels.discard)

    async def _serve(self, brokered: BrokeredChannel) -> None:
        try:
            link = self._make_link(brokered)
        except WindowsAiError as error:
            _log.warning("a channel is not served: %s", error.message)
            return
        with contextlib.closing(Channel(link, client=False)) as channel:
            await self._door.serve(channel, brokered.peer_process_id)


def provider_kind(source: AnswerSource) -> ProviderKind:
    """What the driver calls who answers."""
    if source.provider == "language-model":
        return "language-model"
    kinds: dict[str, ProviderKind] = {"CPU": "cpu", "GPU": "gpu", "NPU": "npu"}
    return kinds.get(source.device.partition(":")[0], "cpu")
