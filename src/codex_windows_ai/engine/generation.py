"""What a caller holds of a request: the stream of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Self

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta


class Stream:
    """Between the engine's thread and one reader, in any thread or event loop.

    Writing never waits: what is said is kept until it is read.
    """

    def __init__(self) -> None:
        self._items: deque[Delta | WindowsAiError] = deque()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiter: tuple[asyncio.AbstractEventLoop, Callable[[], None]] | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """The last piece was put in, whether or not it was read."""
        return self._ended

    def put(self, item: Delta | WindowsAiError) -> None:
        """Adds a piece; an error or a delta with a finish reason is the last."""
        with self._lock:
            self._items.append(item)
            self._ended = isinstance(item, WindowsAiError) or item.finish_reason is not None
            waiter, self._waiter = self._waiter, None
            self._changed.notify_all()
        if waiter is not None:
            loop, on_change = waiter
            with contextlib.suppress(RuntimeError):  # the reader's loop was closed: nobody is left to wake
                loop.call_soon_threadsafe(on_change)

    def get(self) -> Delta | None:
        """Waits for the next piece; None after the last."""
        with self._lock:
            self._changed.wait_for(lambda: self._items or self._ended)
            return self._pop()

    async def get_async(self) -> Delta | None:
        """Waits for the next piece; None after the last."""
        while True:
            with self._lock:
                if self._items or self._ended:
                    return self._pop()
                loop = asyncio.get_running_loop()
                waiter = loop.create_future()
                self._waiter = (loop, partial(_wake, waiter))
            await waiter

    def take(self) -> list[Delta] | None:
        """The pieces that are there, without waiting; None after the last. An error waits for what came before it."""
        with self._lock:
            if self._ended and not self._items:
                return None
            taken: list[Delta] = []
            while self._items and isinstance(piece := self._items[0], Delta):
                taken.append(piece)
                self._items.popleft()
            if not taken and self._items:
                self._pop()
            return taken

    def listen_once(self, on_change: Callable[[], None]) -> None:
        """Calls back once, in the running event loop, when there is something to `take`, or was the last.

        It is for the one reader, who then does not wait otherwise: a callback costs less than a task that is woken.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._items and not self._ended:
                self._waiter = (loop, on_change)
                return
        loop.call_soon(on_change)

    def _pop(self) -> Delta | None:
        item = self._items.popleft() if self._items else None
        if isinstance(item, WindowsAiError):
            raise item
        return item


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Generation:
    """One answer as it comes: iterate it, asynchronously or not; the last delta has the figures.

    A request that fails raises its error from the iteration. Leaving early (`cancel`, `aclose`, or
    dropping the object) cancels the request before the engine's next step. `read` makes of each delta what the
    reader gets, in the reader's thread. `output_limit` is the most tokens that the answer may have.
    """

    def __init__(
        self,
        stream: Stream,
        cancel: Callable[[], None],
        queue_position: Callable[[], int],
        read: Callable[[Delta], Delta] | None = None,
        *,
        output_limit: int | None = None,
    ) -> None:
        self._stream = stream
        self.output_limit = output_limit
        self.read = read
        self.left_out: tuple[str, ...] = ()
        """What of the request is not done as asked, by name."""
        self._cancel = cancel
        self._queue_position = queue_position

    @property
    def stream(self) -> Stream:
        """What this reads."""
        return self._stream

    @property
    def queue_position(self) -> int:
        """The place in the queue: 1 is served next, 0 runs or has ended."""
        return self._queue_position()

    def cancel(self) -> None:
        """Ends the request; the stream ends with the finish reason "cancelled"."""
        if not self._stream.ended:
            self._cancel()

    def take(self) -> list[Delta] | None:
        """The pieces that are there, without waiting; None after the last. An error waits for what came before it."""
        taken = self._stream.take()
        return taken if taken is None or self.read is None else [self.read(delta) for delta in taken]

    def listen_once(self, on_change: Callable[[], None]) -> None:
        """Calls back once, in the running event loop, when there is something to `take`, or was the last.

        Not while iterating.
        """
        self._stream.listen_once(on_change)

    async def aclose(self) -> None:
        """Cancels the request if it has not ended."""
        self.cancel()

    def __del__(self) -> None:
        self.cancel()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delta:
        delta = self._stream.get()
        if delta is None:
            raise StopIteration
        return delta if self.read is None else self.read(delta)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        delta = await self._stream.get_async()
        if delta is None:
            raise StopAsyncIteration
        return delta if self.read is None else self.read(delta)
