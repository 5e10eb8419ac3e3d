"""Channels on Linux: whole messages, back-pressure, death of either side, peers that misbehave."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from codex_windows_ai.channel import linux
from codex_windows_ai.channel.channel import LONGEST_MESSAGE, Channel, Link, Message
from codex_windows_ai.channel.linux import CHANNEL_BYTES, ChannelListener, connect_channel, connect_link
from codex_windows_ai.errors import (
    ChannelClosedError,
    ChannelCorruptError,
    HostStartError,
    HostUnreachableError,
    NotAvailableError,
)

pytestmark = pytest.mark.anyio

Serve = Callable[[Channel, int], Awaitable[None]]


@asynccontextmanager
async def listening(path: Path, serve: Serve) -> AsyncIterator[Path]:
    async with ChannelListener(path / "channel.sock", serve) as listener:
        yield listener.path


@asynccontextmanager
async def both_sides(path: Path) -> AsyncIterator[tuple[Channel, Channel]]:
    """A client's channel and the runtime's."""
    async with both_sides_and_link(path) as (client, runtime, _):
        yield client, runtime


@asynccontextmanager
async def both_sides_and_link(path: Path) -> AsyncIterator[tuple[Channel, Channel, Link]]:
    """A client's channel, the runtime's, and what the client's is made of: a client that lies writes there."""
    served: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

    async def hold(channel: Channel, _: int) -> None:
        served.set_result(channel)
        await asyncio.Event().wait()

    async with listening(path, hold) as where:
        link = await connect_link(where)
        async with Channel(link, client=True) as client:
            yield client, await served, link


async def echo(channel: Channel, _: int) -> None:
    try:
        while True:
            await channel.send(await channel.receive())
    except (ChannelClosedError, ChannelCorruptError):
        pass


async def test_messages_of_all_sizes_come_back_whole(tmp_path: Path) -> None:
    choose = random.Random(1)
    sizes = [0, 1, 7, 8, 131_047, 131_048, 131_049, CHANNEL_BYTES, 3 * CHANNEL_BYTES + 5]
    sent = [Message(kind, kind * 3, choose.randbytes(size)) for kind, size in enumerate(sizes, 1)]
    async with listening(tmp_path, echo) as path, await connect_channel(path) as client:

        async def send() -> None:
            for message in sent:
                await client.send(message)

        sending = asyncio.create_task(send())
        assert [await client.receive() for _ in sent] == sent
        await sending
        assert client.brokered_by == "the host, over its Unix socket"


async def test_messages_sent_at_once_do_not_mix(tmp_path: Path) -> None:
    async with listening(tmp_path, echo) as path, await connect_channel(path) as client:
        sent = {number: bytes([number]) * (90_000 * number) for number in range(1, 9)}
        sending = [asyncio.create_task(client.send(Message(1, n, payload))) for n, payload in sent.items()]
        received = {message.request: message.payload for message in [await client.receive() for _ in sent]}
        await asyncio.gather(*sending)
        assert received == sent


async def test_a_reader_that_stopped_reading_holds_up_only_its_sender(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        payload = b"x" * 100_000
        sent = [asyncio.create_task(runtime.send(Message(1, n, payload))) for n in range(20)]
        while sum(task.done() for task in sent) < 4:
            await asyncio.sleep(0)
        assert not all(task.done() for task in sent)
        for number in range(20):
            assert (await client.receive()) == Message(1, number, payload)
        await asyncio.gather(*sent)


async def test_what_finds_room_is_sent_without_waiting_and_the_rest_is_not(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        sent = 0
        while runtime.send_now(Message(1, sent, b"x" * 100_000)):
            sent += 1
        assert sent == 5  # of half a MiB
        assert not runtime.send_now(Message(1, sent, b"x" * 100_000))
        for number in range(sent):
            assert (await client.receive()).request == number
        assert runtime.send_now(Message(1, sent, b"x" * 100_000))


async def test_what_takes_several_records_is_not_sent_without_waiting(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        longest = CHANNEL_BYTES // 2
        assert not runtime.send_now(Message(1, 1, bytes(longest)))
        assert runtime.send_now(Message(1, 2, b"short"))
        assert (await client.receive()).payload == b"short"


async def test_nothing_overtakes_a_message_that_waits_for_room(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        first, long = Message(1, 1, bytes(1000)), Message(1, 1, bytes(CHANNEL_BYTES))
        assert runtime.send_now(first)  # so that the long one's first three records fit, and nearly a fourth
        waiting = asyncio.create_task(runtime.send(long))
        await asyncio.sleep(0)
        assert not runtime.send_now(Message(2, 2, b"in a hurry"))
        assert await client.receive() == first
        assert await client.receive() == long
        await waiting
        assert runtime.send_now(Message(2, 2, b"in a hurry"))
        assert (await client.receive()).kind == 2


async def test_a_sender_that_gives_up_waiting_for_room_leaves_the_way_free(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        while runtime.send_now(Message(1, 1, b"x" * 100_000)):
            pass
        waiting = asyncio.create_task(runtime.send(Message(1, 2, b"x" * 100_000)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for _ in range(5):
            await client.receive()
        assert runtime.send_now(Message(1, 3))
        assert (await client.receive()).request == 3


async def test_who_sends_without_waiting_hears_of_the_end_and_of_a_peer_that_lies(tmp_path: Path) -> None:
    async with both_sides_and_link(tmp_path) as (client, runtime, link):
        struct.pack_into("<Q", link.memory, len(link.memory) // 2 + 64, 2**40)  # what it has read
        with pytest.raises(ChannelCorruptError, match="broke its protocol"):
            runtime.send_now(Message(1, 1))
        runtime.close()
        with pytest.raises(ChannelClosedError, match="on this side"):
            runtime.send_now(Message(1, 1))
        with pytest.raises(ChannelClosedError):
            await client.receive()
        with pytest.raises(ChannelClosedError, match="other side"):
            client.send_now(Message(1, 1))


async def test_a_message_too_long_to_take_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, _):
        with pytest.raises(ValueError, match="longest"):
            await client.send(Message(1, 1, bytes(LONGEST_MESSAGE + 1)))


async def test_what_was_sent_before_the_end_is_still_received(tmp_path: Path) -> None:
    async def say_and_leave(channel: Channel, _: int) -> None:
        await channel.send(Message(1, 1, b"last words"))

    async with listening(tmp_path, say_and_leave) as path, await connect_channel(path) as client:
        assert (await client.receive()).payload == b"last words"
        with pytest.raises(ChannelClosedError):
            await client.receive()
        with pytest.raises(ChannelClosedError):
            await client.send(Message(1, 1))


async def test_who_waits_hears_that_the_channel_was_closed(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        waiting = asyncio.create_task(client.receive())
        filling = asyncio.gather(
            *(runtime.send(Message(1, n, b"x" * 100_000)) for n in range(9)), return_exceptions=True
        )
        await asyncio.sleep(0)
        runtime.close()
        with pytest.raises(ChannelClosedError):
            while True:
                await waiting
                waiting = asyncio.create_task(client.receive())
        assert any(isinstance(result, ChannelClosedError) for result in await filling)


async def test_sixteen_clients_have_a_channel_each(tmp_path: Path) -> None:
    async def converse(path: Path, number: int) -> None:
        async with await connect_channel(path) as client:
            for turn in range(20):
                message = Message(2, turn, f"client {number}, turn {turn}".encode() * number)
                await client.send(message)
                assert await client.receive() == message

    async with listening(tmp_path, echo) as path:
        await asyncio.gather(*(converse(path, number) for number in range(16)))


@pytest.mark.parametrize("hello", [b"", b"GET / HTTP/1.1\r\n", struct.pack("<4sI", b"CWAI", 99)])
async def test_who_does_not_speak_the_protocol_gets_no_channel(tmp_path: Path, hello: bytes) -> None:
    async with listening(tmp_path, echo) as path:

        def ask() -> tuple[bytes, list[int]]:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(hello)
                connection.shutdown(socket.SHUT_WR)
                answer, descriptors, _, _ = socket.recv_fds(connection, 100, 3)
                return answer, descriptors

        answer, descriptors = await asyncio.to_thread(ask)
        assert descriptors == []
        assert answer in (b"", struct.pack("<4sI", b"CWAI", linux.VERSION))


async def test_versions_that_differ_are_named(tmp_path: Path) -> None:
    path = tmp_path / "channel.sock"
    newer = struct.pack("<4sI", b"CWAI", linux.VERSION + 1)
    asked: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(100))
            connection.sendall(newer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        answering = asyncio.create_task(asyncio.to_thread(answer, listener))
        with pytest.raises(NotAvailableError, match=f"version {linux.VERSION + 1}"):
            await connect_channel(path)
        await answering
    assert asked == [struct.pack("<4sI", b"CWAI", linux.VERSION)]


async def test_without_a_host_there_is_no_channel(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachableError):
        await connect_channel(tmp_path / "nobody.sock")


async def test_more_channels_than_there_are_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "MOST_CHANNELS", 1)
    async with listening(tmp_path, echo) as path, await connect_channel(path):
        with pytest.raises(NotAvailableError, match="no channel left"):
            await connect_channel(path)


async def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostStartError, match="more than 107 bytes"):
        async with ChannelListener(tmp_path / ("x" * 120), echo):
            pass


async def test_the_socket_is_for_this_user_only_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "channel.sock").write_text("left behind by a host that was killed")
    async with listening(tmp_path, echo) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        async with await connect_channel(path) as client:
            await client.send(Message(1, 1, b"x"))
            assert (await client.receive()).payload == b"x"
    assert not path.exists()


async def test_a_client_that_writes_random_bytes_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    outcome: list[Exception] = []

    async def serve(channel: Channel, process: int) -> None:
        try:
            while True:
                await channel.send(await channel.receive())
        except (ChannelCorruptError, ChannelClosedError) as error:
            outcome.append(error)

    choose = random.Random(7)
    async with listening(tmp_path, serve) as path, await connect_channel(path) as good:
        for _ in range(20):
            link = await connect_link(path)
            async with Channel(link, client=True) as bad:
                link.memory[:] = choose.randbytes(len(link.memory))
                link.wake_peer()
                with pytest.raises((ChannelClosedError, ChannelCorruptError)):
                    await bad.receive()
        await good.send(Message(1, 1, b"still here"))
        assert (await good.receive()).payload == b"still here"
    assert [type(error) for error in outcome[:20]] == [ChannelCorruptError] * 20


async def test_a_message_that_never_ends_is_refused(tmp_path: Path) -> None:
    async with both_sides(tmp_path) as (client, runtime):
        receiving = asyncio.create_task(runtime.receive())

        async def flood() -> None:
            for _ in range(200):
                await client.send(Message(1 << 31 | 1, 1, b"x" * 120_000))

        flooding = asyncio.create_task(flood())
        with pytest.raises(ChannelCorruptError, match="more than"):
            await receiving
        runtime.close()
        with pytest.raises(ChannelClosedError):
            await flooding


CHILD = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from codex_windows_ai.channel.channel import Message
    from codex_windows_ai.channel.linux import ChannelListener, connect_channel

    async def client(path):
        async with await connect_channel(path) as channel:
            number = 0
            while True:
                await channel.send(Message(1, number % 1000, b"x" * (number * 37 % 5000)))
                await channel.receive()
                number += 1
                print(number, flush=True)

    async def host(path):
        async def echo(channel, process):
            while True:
                await channel.send(await channel.receive())
        async with ChannelListener(path, echo):
            print("listening", flush=True)
            await asyncio.Event().wait()

    asyncio.run({"client": client, "host": host}[sys.argv[1]](Path(sys.argv[2])))
    """
)


def start(role: str, path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, role, os.fspath(path)], stdout=subprocess.PIPE)


async def test_a_client_killed_at_any_moment_is_noticed(tmp_path: Path) -> None:
    ended: asyncio.Queue[type[Exception]] = asyncio.Queue()

    async def serve(channel: Channel, process: int) -> None:
        try:
            while True:
                await channel.send(await channel.receive())
        except Exception as error:
            await ended.put(type(error))

    async with listening(tmp_path, serve) as path:
        for round_trips in (1, 2, 3, 50):
            child = start("client", path)
            assert child.stdout is not None
            for _ in range(round_trips):
                assert await asyncio.to_thread(child.stdout.readline)
            child.send_signal(signal.SIGKILL)
            assert await asyncio.wait_for(ended.get(), 20) is ChannelClosedError
            child.wait()
            child.stdout.close()


async def test_a_host_killed_at_any_moment_is_noticed_and_the_next_one_serves(tmp_path: Path) -> None:
    path = tmp_path / "channel.sock"
    for round_trips in (1, 30):
        host = start("host", path)
        assert host.stdout is not None
        assert await asyncio.to_thread(host.stdout.readline) == b"listening\n"
        async with await connect_channel(path) as channel:
            for number in range(round_trips):
                await channel.send(Message(1, number, b"x" * 1000))
                await channel.receive()
            host.send_signal(signal.SIGKILL)
            with pytest.raises(ChannelClosedError):
                while True:
                    await channel.send(Message(1, 1, b"x" * 1000))
                    await channel.receive()
        host.wait()
        host.stdout.close()


async def test_channels_leave_no_descriptor_behind(tmp_path: Path) -> None:
    async with listening(tmp_path, echo) as path:
        async with await connect_channel(path) as client:
            await client.send(Message(1, 1))
            await client.receive()
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(10):
            async with await connect_channel(path) as client:
                await client.send(Message(1, 1))
                await client.receive()
        # The runtime's side notices in its own time; closing the listener waits for it.
    assert len(list(Path("/proc/self/fd").iterdir())) < before
