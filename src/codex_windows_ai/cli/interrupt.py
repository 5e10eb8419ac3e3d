"""Ctrl-C and SIGTERM: the work is asked to stop, and within a second the process has ended.

Python delivers a signal to the main thread only, so work in other threads (a conversion, loading
a model) gets its KeyboardInterrupt from here. Whoever has not stopped by the end of the grace
period dies with the process, as in a power cut, which the model store is built to survive.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import Any, NoReturn, TypeVar

from codex_windows_ai.errors import EXIT_INTERRUPTED
from codex_windows_ai.models.interruption import interrupt_workers

Result = TypeVar("Result")

GRACE_SECONDS = 0.7
"""How long the work may take to stop; with Python's own way out it stays under a second."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether the user asked to stop, and what is done about it."""

    def __init__(self) -> None:
        self.requested = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], object] | None = None
        self._finish: Callable[[], object] | None = None
        self._finishing = threading.Lock()

    def stop_with(self, stop: Callable[[], object]) -> None:
        """From now on call `stop` in the event loop instead of cancelling the task."""
        self._stop = stop

    def run(self, work: Coroutine[Any, Any, Result], *, finish: Callable[[], object] | None = None) -> Result:
        """Run `work` to its end and return its result.

        When interrupted, `finish` writes what there is and the process ends with exit code 130.
        """
        loop = self._loop = asyncio.new_event_loop()
        task = loop.create_task(work)
        self._stop, self._finish = partial(_abandon, task), finish
        before = {number: signal.signal(number, self._request) for number in SIGNALS}
        try:
            return loop.run_until_complete(task)
        finally:
            if self.requested.is_set():
                # Whatever the work returned or raised on its way out, the user's wish comes first.
                self._end(loop)
            for number, handler in before.items():
                signal.signal(number, handler)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def run_blocking(self, work: Callable[[], Result]) -> Result:
        """Run `work` in this, the main thread, where KeyboardInterrupt reaches it between any two steps."""
        before = {number: signal.signal(number, self._request) for number in SIGNALS}
        try:
            return work()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested.is_set():
            os._exit(EXIT_INTERRUPTED)
        self.requested.set()
        # A thread, because the work may be in a call that does not come back.
        threading.Thread(target=self._end_late, daemon=True).start()
        if self._loop is None:
            raise KeyboardInterrupt
        if self._stop:
            self._loop.call_soon_threadsafe(self._stop)

    def _end_late(self) -> None:
        time.sleep(GRACE_SECONDS)
        self._write_what_there_is()
        os._exit(EXIT_INTERRUPTED)

    def _end(self, loop: asyncio.AbstractEventLoop) -> NoReturn:
        self._write_what_there_is()
        # Worker threads clean up behind themselves if the grace period lets them.
        loop.run_until_complete(loop.shutdown_default_executor())
        os._exit(EXIT_INTERRUPTED)

    def _write_what_there_is(self) -> None:
        if self._finish and self._finishing.acquire(blocking=False):
            self._finish()


def _abandon(task: asyncio.Task[Any]) -> None:
    """Cancel a task together with the blocking work that it waits for in `asyncio.to_thread`."""
    task.cancel()
    interrupt_workers()
