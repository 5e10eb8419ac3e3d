"""A ring of records in memory that two processes map, one of which writes and the other reads.

The peer is not trusted: geometry comes from the size of the memory, which the broker fixed, never from
what the memory says; each side keeps its own position to itself and only publishes it; what the peer
publishes is read once and checked before it is used.

Positions count bytes from the ring's first use and never wrap; each lies on a cache line of its own and
is an aligned 8-byte word, which the processors we run on read and write whole. A record is

    offset 0   uint32  bytes of payload
    offset 4   uint32  CRC-32 of the sequence number, kind, request and payload
    offset 8   uint64  sequence number, from 0
    offset 16  uint32  kind
    offset 20  uint32  request
    offset 24  payload, padded to 8 bytes

all little-endian, wrapping around the ring's end. Python has no memory barriers, so that a reader on
ARM may see a position before the record it covers: a record that does not match its checksum is
therefore left to be read again, and only one that stays wrong is an error.

What is learnt from others: positions published apart from private ones, as in wintun's ring
(https://git.zx2c4.com/wintun/about/), which also bounds what is read.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from codex_windows_ai.errors import ChannelCorruptError

POSITIONS_BYTES = 128
"""Before the ring's data: the writer's position, and 64 bytes further the reader's."""

_HEADER = struct.Struct("<IIQII")
_LENGTH_AND_CHECKSUM = struct.Struct("<II")
_IDENTITY = struct.Struct("<QII")
_READ_POSITION = 64 // 8
_ATTEMPTS = 100
_SEQUENCE_MASK = 2**64 - 1


class Record(NamedTuple):
    """`kind` and `request` mean to the ring no more than the payload does."""

    kind: int
    request: int
    payload: bytes


class _Ring:
    """What writer and reader share: the data, the two positions and the arithmetic of both."""

    def __init__(self, memory: memoryview) -> None:
        capacity = len(memory) - POSITIONS_BYTES
        if capacity < 1024 or capacity % 8:
            raise ValueError(f"A ring of {capacity} bytes: it must be a multiple of 8, and 1,024 at least.")
        self._positions = memory[:POSITIONS_BYTES].cast("Q")
        self._data = memory[POSITIONS_BYTES:]
        self._position: int = 0
        self._sequence: int = 0
        self.capacity = capacity
        self.longest_payload = capacity // 4 - _HEADER.size
        """Bytes; a quarter of the ring, so that a reader who fell behind is always told to wake the writer."""

    def release(self) -> None:
        """Lets go of the memory, so that it can be unmapped."""
        self._positions.release()
        self._data.release()

    def _corrupt(self, what: str) -> ChannelCorruptError:
        return ChannelCorruptError(f"The other side of the channel broke its protocol: {what}.")


class RingWriter(_Ring):
    """The one writer."""

    def __init__(self, memory: memoryview) -> None:
        super().__init__(memory)
        self._peer: int = 0

    def write(self, record: Record) -> bool:
        """Appends a record; False if there is no room until the reader has read more.

        Raises ChannelCorruptError: the reader claims to have read what cannot be. ValueError: the payload
        is longer than `longest_payload`.
        """
        kind, request, payload = record
        length = len(payload)
        if length > self.longest_payload:
            raise ValueError(f"A payload of {length} bytes in a ring that takes {self.longest_payload}.")
        size = _padded(length)
        position, read = self._position, self._positions[_READ_POSITION]
        if not self._peer <= read <= position:
            raise self._corrupt(f"it read up to {read}, of {position} bytes written")
        self._peer = read
        if position + size - read > self.capacity:
            return False
        identity = _IDENTITY.pack(self._sequence, kind, request)
        self._store(_LENGTH_AND_CHECKSUM.pack(length, _checksum(identity, payload)) + identity + payload)
        self._position = position + size
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        self._positions[0] = self._position
        return True

    def _store(self, content: bytes) -> None:
        start = self._position % self.capacity
        first = self.capacity - start
        if len(content) <= first:
            self._data[start : start + len(content)] = content
        else:
            self._data[start:] = content[:first]
            self._data[: len(content) - first] = content[first:]


class RingReader(_Ring):
    """The one reader."""

    def __init__(self, memory: memoryview) -> None:
        super().__init__(memory)
        self._peer: int = 0

    def read(self) -> tuple[list[Record], bool]:
        """All records that are there, and whether the writer may be waiting for the room they took.

        A writer without room has left the ring more than three quarters full, as it saw it: no record is
        longer than a quarter. It is looked for after the position is published, so that it either sees the
        new position or is seen; half full is the mark because its last record may not be seen yet. (It
        wakes this side after every record, which orders all but the last.)

        Raises ChannelCorruptError: what is there is no record.
        """
        written, published = self._written(), self._position
        records: list[Record] = []
        while self._position < written:
            records.append(self._next(written))
        self._positions[_READ_POSITION] = self._position
        return records, self._positions[0] - published >= self.capacity // 2

    def _written(self) -> int:
        written = self._positions[0]
        if not self._peer <= written <= self._position + self.capacity or written % 8:
            raise self._corrupt(f"it wrote up to {written}, with {self._position} bytes read of {self.capacity}")
        self._peer = written
        return written

    def _next(self, written: int) -> Record:
        for _ in range(_ATTEMPTS):
            header = self._load(self._position, _HEADER.size)
            length, checksum, sequence, kind, request = _HEADER.unpack(header)
            size = _padded(length)
            if length <= self.longest_payload and self._position + size <= written and sequence == self._sequence:
                payload = self._load(self._position + _HEADER.size, length)
                if _checksum(header[_LENGTH_AND_CHECKSUM.size :], payload) == checksum:
                    self._position += size
                    self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
                    return Record(kind, request, payload)
        raise self._corrupt(f"no sound record at byte {self._position}")

    def _load(self, position: int, length: int) -> bytes:
        start = position % self.capacity
        first = bytes(self._data[start : start + length])
        return first if len(first) == length else first + bytes(self._data[: length - len(first)])


def _padded(length: int) -> int:
    return (_HEADER.size + length + 7) & ~7


def _checksum(identity: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(identity))
