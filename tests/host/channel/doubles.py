"""Doubles of what only Windows has: the driver as a runtime's session sees it, and the channel that it makes."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from codex_windows_ai.errors import DriverStateError
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel


class Driver:
    """What a session of a runtime sees of the driver."""

    def __init__(self) -> None:
        self.registrations: list[dict[str, Any]] = []
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.arrivals: queue.Queue[BrokeredChannel | Exception] = queue.Queue()
        self.closed = threading.Event()
        self.refuses: Exception | None = None
        """What ends a registration."""
        self.fails: Exception | None = None
        """What ends a report."""

    def register_windows_ai_runtime(self, **fields: Any) -> int:
        if self.refuses:
            raise self.refuses
        self.registrations.append(fields)
        return 1

    def report_stats(self, **fields: Any) -> None:
        if self.fails:
            raise self.fails
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

    def __init__(self, size: int = 65536) -> None:
        self.memory_ = bytearray(size)
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
