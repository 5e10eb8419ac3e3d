"""Channels on Windows: the section and the events that ai_driver.sys made and gave to both processes.

asyncio cannot wait for events, so a thread does and tells the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable

from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.kernel.brokered_channel import BrokeredChannel
from codex_windows_ai.kernel.windows_api import kernel32, last_error, message_of

_BROKER = "ai_driver.sys"
_MAP_WRITE_AND_READ = 0x2 | 0x4
_INFINITE = 0xFFFF_FFFF
_OWN, _CLOSED, _STOP = range(3)


class WindowsLink:
    """One side's memory and wake-ups; owns the channel's handles. Belongs to the event loop that made it.

    `on_close` is called last, for what lives as long as the channel: the client's session.

    Raises NotAvailableError: the memory cannot be mapped.
    """

    def __init__(self, brokered: BrokeredChannel, *, on_close: Callable[[], None] | None = None) -> None:
        self._brokered = brokered
        self._on_close = on_close
        client = brokered.side == "client"
        self._own = brokered.to_client if client else brokered.to_runtime
        self._peer = brokered.to_runtime if client else brokered.to_client
        self._gone = False
        self._waiter: threading.Thread | None = None
        self._loop = asyncio.get_running_loop()
        size = brokered.section_bytes
        self._address: int | None = kernel32().MapViewOfFile(brokered.section, _MAP_WRITE_AND_READ, 0, 0, size)
        if self._address is None:
            reason = message_of(last_error())
            brokered.close()
            raise NotAvailableError(f"The channel's memory cannot be mapped: {reason}.")
        self._stop: int | None = kernel32().CreateEventW(None, 1, 0, None)
        self._memory = memoryview((ctypes.c_ubyte * size).from_address(self._address)).cast("B")

    @property
    def memory(self) -> memoryview:
        """The shared memory."""
        return self._memory

    @property
    def brokered_by(self) -> str:
        """Who made the channel."""
        return _BROKER

    def wake_peer(self) -> None:
        """Wakes the other side."""
        kernel32().SetEvent(self._peer)

    def listen(self, on_change: Callable[[], None]) -> None:
        """Calls back whenever the other side wakes this one or is gone."""
        self._waiter = threading.Thread(target=self._wait, args=(on_change,), name="channel", daemon=True)
        self._waiter.start()

    @property
    def gone(self) -> bool:
        """The other side's session or process has ended."""
        return self._gone

    def close(self) -> None:
        """Ends the channel."""
        kernel32().SetEvent(self._stop)
        if self._waiter is not None:
            self._waiter.join()
        self._memory.release()
        kernel32().UnmapViewOfFile(self._address)
        kernel32().CloseHandle(self._stop)
        self._brokered.close()
        if self._on_close is not None:
            self._on_close()

    def _wait(self, on_change: Callable[[], None]) -> None:
        handles = (ctypes.c_void_p * 3)(self._own, self._brokered.closed, self._stop)
        reason = _OWN
        while reason == _OWN:
            reason = kernel32().WaitForMultipleObjects(len(handles), handles, 0, _INFINITE)
            self._gone = reason != _OWN
            if reason != _STOP:
                with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to tell
                    self._loop.call_soon_threadsafe(on_change)
