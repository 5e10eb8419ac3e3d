"""A thread with an event loop in COM's multi-threaded apartment: where asynchronous calls into Windows wait."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Apartment", "follow"]

T = TypeVar("T")


class Apartment:
    """Runs coroutines for callers in other threads. `close` cancels what still runs and ends the thread.

    Windows' AI classes are agile: any thread may call them. This one only has to exist, so that
    the multi-threaded apartment does, and to wait.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begins to run `coroutine`; cancelling what is returned cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs `coroutine` to its end; not from this apartment's own thread."""
        return self.start(coroutine).result()

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Calls `callback` in the thread, from any thread."""
        self._loop.call_soon_threadsafe(callback)

    def close(self) -> None:
        """Cancels what still runs, waits until it has ended, and ends the thread."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        if sys.platform == "win32":
            from winrt.runtime import ApartmentType, init_apartment

            # Never left again: objects that Python frees later still need the apartment to be there.
            init_apartment(ApartmentType.MULTI_THREADED)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        finally:
            self._loop.close()


def follow(operation: Any, report: Callable[[Any], object]) -> None:
    """Calls `report`, from a thread of Windows, with each piece of an operation's progress.

    The operation is an IAsync…WithProgress; the projection's own type for its handler, a recursive
    alias, is beyond the type checker.
    """

    def handle(_: object, piece: Any) -> None:
        report(piece)

    operation.progress = handle
