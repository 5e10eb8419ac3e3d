"""Messages over two rings, for asyncio.

The memory holds the ring from client to runtime first, then the one back; both are of equal size. A
message longer than a record takes is sent as several, each but the last marked as to be continued.

Sending never blocks anything but the sender: where the ring is full it waits for the reader, and
whatever else runs in the process goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from codex_windows_ai.channel.ring import Record, RingReader, RingWriter
from codex_windows_ai.errors import ChannelClosedError, ChannelCorruptError

LONGEST_MESSAGE = 16 * 1024**2
"""Bytes; as much as the host takes over HTTP."""

MOST_PARTIAL_MESSAGES = 64
"""Messages that one peer may have begun and not ended."""

_CONTINUED = 1 << 31


class Message(NamedTuple):
    """`kind` says what it is (below 2**31), `request` which request of this channel it belongs to."""

    kind: int
    request: int
    payload: bytes = b""


class Link(Protocol):
    """What the operating system gives to one side of a channel."""

    @property
    def memory(self) -> memoryview:
        """The memory that both sides map; all zeros at first."""
        ...

    @property
    def brokered_by(self) -> str:
        """Who made the channel, in words for people."""
        ...

    def wake_peer(self) -> None:
        """Wakes the other side; nothing happens if it is gone."""
        ...

    def listen(self, on_change: Callable[[], None]) -> None:
        """Calls back, in the event loop, whenever the other side wakes this one or is gone."""
        ...

    @property
    def gone(self) -> bool:
        """The other side ended the channel or died; what it wrote before is still in the memory."""
        ...

    def close(self) -> None:
        """Ends the channel; the other side sees it gone. The memory must have been released."""
        ...


class Channel:
    """One side of a channel. Use it as an asynchronous context manager, or call `close`."""

    def __init__(self, link: Link, *, client: bool) -> None:
        self._link = link
        half = len(link.memory) // 2 & ~7
        to_runtime, to_client = link.memory[:half], link.memory[half : 2 * half]
        self._writer = RingWriter(to_runtime if client else to_client)
        self._reader = RingReader(to_client if client else to_runtime)
        self._halves = (to_runtime, to_client)
        self._room = asyncio.Event()
        self._arrival = asyncio.Event()
        self._sending = asyncio.Lock()
        self._senders = 0
        self._received: deque[Message] = deque()
        self._partial: dict[tuple[int, int], bytearray] = {}
        self._listener: Callable[[], None] | None = None
        self._closed = False
        link.listen(self._on_change)

    @property
    def brokered_by(self) -> str:
        """Who made the channel."""
        return self._link.brokered_by

    async def send(self, message: Message) -> None:
        """Sends a message, waiting for room where there is none.

        Raises ChannelClosedError: the other side is gone. ChannelCorruptError: it broke the protocol.
        ValueError: the message is longer than LONGEST_MESSAGE.
        """
        if self.send_now(message):
            return
        if len(message.payload) > LONGEST_MESSAGE:
            raise ValueError(f"A message of {len(message.payload)} bytes; the longest has {LONGEST_MESSAGE}.")
        size = self._writer.longest_payload
        pieces = [message.payload[at : at + size] for at in range(0, len(message.payload), size)] or [b""]
        self._senders += 1
        try:
            for number, piece in enumerate(pieces, 1):
                kind = message.kind if number == len(pieces) else message.kind | _CONTINUED
                await self._write(Record(kind, message.request, piece))
        finally:
            self._senders -= 1

    def send_now(self, message: Message) -> bool:
        """Sends a message if there is room for it in one record and nobody waits for room; False if not.

        Raises ChannelClosedError, ChannelCorruptError as `send` does.
        """
        self._check_writable()
        if self._senders or len(message.payload) > self._writer.longest_payload:
            return False
        written = self._writer.write(Record(*message))
        if written:
            self._link.wake_peer()
        return written

    async def _write(self, record: Record) -> None:
        async with self._sending:  # first come, first written, also where there is no room
            while True:
                self._room.clear()
                self._check_writable()
                if self._writer.write(record):
                    self._link.wake_peer()
                    return
                await self._room.wait()

    async def receive(self) -> Message:
        """The next message. Only one task may wait for it.

        Raises ChannelClosedError: the other side is gone and everything it sent was received.
        ChannelCorruptError: it broke the protocol; the channel is of no more use.
        """
        while not self._received:
            self._arrival.clear()
            self._received.extend(self.take())
            if not self._received:
                await self._arrival.wait()
        return self._received.popleft()

    def listen(self, on_change: Callable[[], None]) -> None:
        """Calls back, in the event loop, when there may be something to `take`: cheaper than a task that receives."""
        self._listener = on_change
        on_change()

    def take(self) -> list[Message]:
        """The messages that are there; raises as `receive` does, once there are none."""
        self._check_open()
        gone = self._link.gone  # read before the ring: what came before the end is not lost
        records, crowded = self._reader.read()
        if crowded:
            self._link.wake_peer()
        messages = [message for record in records if (message := self._assemble(record)) is not None]
        if gone and not messages:
            raise _gone()
        return messages

    def _on_change(self) -> None:
        self._arrival.set()
        self._room.set()
        if self._listener is not None:
            self._listener()

    def _assemble(self, record: Record) -> Message | None:
        """The message that a record ends, if it does."""
        kind = record.kind & ~_CONTINUED
        key = (kind, record.request)
        continued = bool(record.kind & _CONTINUED)
        if not continued and key not in self._partial:
            return Message(kind, record.request, record.payload)
        message = self._partial.setdefault(key, bytearray())
        if len(self._partial) > MOST_PARTIAL_MESSAGES or len(message) + len(record.payload) > LONGEST_MESSAGE:
            raise ChannelCorruptError(
                f"The other side of the channel sent a message of more than {LONGEST_MESSAGE:,} bytes, "
                f"or more than {MOST_PARTIAL_MESSAGES} at once."
            )
        message += record.payload
        if continued:
            return None
        del self._partial[key]
        return Message(kind, record.request, bytes(message))

    def _check_open(self) -> None:
        if self._closed:
            raise ChannelClosedError("The channel was closed on this side.")

    def _check_writable(self) -> None:
        self._check_open()
        if self._link.gone:
            raise _gone()

    def close(self) -> None:
        """Ends the channel; who waits in `send` or `receive` gets ChannelClosedError."""
        if self._closed:
            return
        self._closed = True
        self._listener = None
        self._on_change()
        self._writer.release()
        self._reader.release()
        for half in self._halves:
            half.release()
        self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _gone() -> ChannelClosedError:
    return ChannelClosedError("The other side of the channel ended it, or died.")
