"""The ring: what goes in comes out, in order, and a hostile peer gets an error and nothing else."""

from __future__ import annotations

import struct
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.channel.ring import POSITIONS_BYTES, Record, RingReader, RingWriter
from codex_windows_ai.errors import ChannelCorruptError

CAPACITY = 1024


def ring() -> tuple[bytearray, RingWriter, RingReader]:
    memory = bytearray(POSITIONS_BYTES + CAPACITY)
    return memory, RingWriter(memoryview(memory)), RingReader(memoryview(memory))


records = st.builds(
    Record, kind=st.integers(0, 2**32 - 1), request=st.integers(0, 2**32 - 1), payload=st.binary(max_size=232)
)


@given(st.lists(st.one_of(records, st.none()), max_size=60))
def test_a_ring_is_a_queue(steps: list[Record | None]) -> None:
    """A record is a write, None a read."""
    _, writer, reader = ring()
    queue: deque[Record] = deque()
    for step in steps:
        if step is None:
            found, crowded = reader.read()
            assert found == list(queue)
            assert crowded == (sum(24 + -(-len(record.payload) // 8) * 8 for record in queue) >= CAPACITY // 2)
            queue.clear()
        elif writer.write(step):
            queue.append(step)
        else:
            used = sum(24 + -(-len(record.payload) // 8) * 8 for record in queue)
            assert used + 24 + -(-len(step.payload) // 8) * 8 > CAPACITY
    assert reader.read()[0] == list(queue)


def test_a_full_ring_takes_more_after_reading() -> None:
    _, writer, reader = ring()
    record = Record(1, 2, b"x" * 200)
    count = 0
    while writer.write(record):
        count += 1
    assert count == 4
    assert not writer.write(record)
    assert reader.read() == ([record] * 4, True)
    assert writer.write(record)


def test_a_payload_longer_than_a_quarter_is_refused() -> None:
    _, writer, _ = ring()
    assert writer.longest_payload == CAPACITY // 4 - 24
    with pytest.raises(ValueError, match="233 bytes"):
        writer.write(Record(0, 0, b"x" * 233))


@pytest.mark.parametrize("size", [0, 1000, 1025])
def test_memory_of_a_size_that_no_ring_has_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        RingWriter(memoryview(bytearray(POSITIONS_BYTES + size)))


@given(st.binary(min_size=CAPACITY, max_size=CAPACITY), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_reader_of_random_memory_reads_nothing_but_what_was_there(data: bytes, written: int, read: int) -> None:
    memory, _, reader = ring()
    memory[POSITIONS_BYTES:] = data
    struct.pack_into("<Q", memory, 0, written)
    struct.pack_into("<Q", memory, 64, read)
    try:
        records, _ = reader.read()
    except ChannelCorruptError:
        return
    assert written == 0
    assert records == []


@given(
    st.lists(records, min_size=1, max_size=4),
    st.integers(0, CAPACITY - 1),
    st.integers(1, 255),
)
def test_one_wrong_byte_never_becomes_a_record(sent: list[Record], at: int, change: int) -> None:
    memory, writer, reader = ring()
    sent = [record for record in sent if writer.write(record)]
    memory[POSITIONS_BYTES + at] ^= change
    try:
        found, _ = reader.read()
    except ChannelCorruptError:
        return
    assert found == sent  # the byte was padding, or behind the last record


@given(st.integers(0, 2**64 - 1))
def test_a_reader_that_claims_what_cannot_be_is_an_error(read: int) -> None:
    memory, writer, reader = ring()
    record = Record(1, 1, b"x" * 40)
    assert writer.write(record)  # 64 bytes each
    reader.read()
    assert writer.write(record)
    assert writer.write(record)
    struct.pack_into("<Q", memory, 64, read)
    if 64 <= read <= 192:
        assert writer.write(record)
        return
    with pytest.raises(ChannelCorruptError, match="broke its protocol"):
        writer.write(record)


def test_positions_never_go_back() -> None:
    memory, writer, reader = ring()
    for _ in range(3):
        assert writer.write(Record(1, 1, b"x"))
        reader.read()
    assert writer.write(Record(1, 1, b"x"))
    struct.pack_into("<Q", memory, 0, 32)
    with pytest.raises(ChannelCorruptError):
        reader.read()
    struct.pack_into("<Q", memory, 64, 32)
    with pytest.raises(ChannelCorruptError):
        writer.write(Record(1, 1, b"x"))


def test_a_record_repeated_by_the_peer_is_an_error() -> None:
    memory, writer, reader = ring()
    assert writer.write(Record(1, 1, b"x"))
    reader.read()
    memory[POSITIONS_BYTES + 32 : POSITIONS_BYTES + 64] = memory[POSITIONS_BYTES : POSITIONS_BYTES + 32]
    struct.pack_into("<Q", memory, 0, 64)
    with pytest.raises(ChannelCorruptError, match="no sound record at byte 32"):
        reader.read()
