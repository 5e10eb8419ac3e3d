"""Channels on Linux: a sealed memfd and two eventfds, handed over a Unix socket by the runtime.

The socket that carried them stays open: when either process dies in whatever way, the kernel closes it
and the other side reads its end. Who may connect is decided by the socket file's mode and, again, by the
credentials that the kernel gives of the peer. The memory is sealed against resizing, so that neither
side can make the other one fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from codex_windows_ai.channel.channel import Channel
from codex_windows_ai.errors import HostStartError, HostUnreachableError, NotAvailableError

VERSION = 2
"""Of the handshake, the ring and the messages."""

CHANNEL_BYTES = 1024**2
"""Memory of one channel, half of it each way."""

MOST_CHANNELS = 64

_BROKER = "the host, over its Unix socket"
_HELLO = struct.Struct("<4sI")
_MAGIC = b"CWAI"
_FULL = 0xFFFF_FFFF
_CREDENTIALS = struct.Struct("3i")
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_HANDSHAKE_SECONDS = 5.0
_LONGEST_PATH = 107


class LinuxLink:
    """One side's memory and wake-ups; owns what it is given. Belongs to the event loop that made it."""

    def __init__(self, memory: int, own: int, peer: int, connection: socket.socket) -> None:
        self._map = mmap.mmap(memory, os.fstat(memory).st_size)
        os.close(memory)
        self._memory = memoryview(self._map)
        self._own, self._peer, self._connection = own, peer, connection
        self._gone = False
        self._loop = asyncio.get_running_loop()
        connection.setblocking(False)

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
        try:
            os.eventfd_write(self._peer, 1)
        except BlockingIOError:
            return  # its counter is full: it is as awake as can be

    def listen(self, on_change: Callable[[], None]) -> None:
        """Calls back whenever the other side wakes this one or is gone."""

        def wake() -> None:
            try:
                os.eventfd_read(self._own)
            except BlockingIOError:
                return  # nobody did after all
            on_change()

        def end() -> None:
            # After the handshake the socket says nothing: whatever is read there means the end.
            self._leave()
            on_change()

        self._loop.add_reader(self._own, wake)
        self._loop.add_reader(self._connection, end)

    @property
    def gone(self) -> bool:
        """The other side ended the channel, or died."""
        return self._gone

    def close(self) -> None:
        """Ends the channel."""
        self._leave()
        self._memory.release()
        self._map.close()
        for descriptor in (self._own, self._peer):
            os.close(descriptor)
        self._connection.close()

    def _leave(self) -> None:
        if not self._gone:
            self._gone = True
            self._loop.remove_reader(self._own)
            self._loop.remove_reader(self._connection)


class ChannelListener:
    """The runtime's side: hands a channel to every process of this user that asks for one.

    `serve` is run as a task for each channel and may take as long as the channel lives. Use it as an
    asynchronous context manager.
    """

    def __init__(self, path: Path, serve: Callable[[Channel, int], Awaitable[None]]) -> None:
        self.path = path
        self._serve = serve
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ChannelListener:
        """Starts to listen.

        Raises HostStartError: the socket cannot be made.
        """
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            raise HostStartError(
                f"The path of the channel's socket, {self.path}, has more than {_LONGEST_PATH} bytes.",
                hint="Set CODEX_WINDOWS_AI_HOME to a shorter folder.",
            )
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.unlink(missing_ok=True)  # a host that was killed leaves its socket behind
            listener.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            listener.listen(MOST_CHANNELS)
        except OSError as error:
            listener.close()
            raise HostStartError(f"Cannot listen for channels at {self.path}: {error}") from error
        listener.setblocking(False)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self.path.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # it went away again, or this process has no descriptor left for it
            return
        task = asyncio.create_task(self._introduce(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _introduce(self, connection: socket.socket) -> None:
        with connection:
            connection.setblocking(False)
            process, user = _peer_of(connection)
            if user != os.getuid():
                return
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(_HANDSHAKE_SECONDS):
                    hello = await loop.sock_recv(connection, _HELLO.size)
            except (OSError, TimeoutError):
                return
            if len(hello) != _HELLO.size or _HELLO.unpack(hello) != (_MAGIC, VERSION):
                _answer(connection, VERSION)
                return
            if len(self._tasks) > MOST_CHANNELS:
                _answer(connection, _FULL)
                return
            try:
                link = _make_link(connection)
            except OSError:  # the client went away, or this process has no descriptor left
                _answer(connection, _FULL)
                return
        async with Channel(link, client=False) as channel:
            await self._serve(channel, process)


def _answer(connection: socket.socket, version: int) -> None:
    with contextlib.suppress(OSError):
        connection.send(_HELLO.pack(_MAGIC, version))


def _make_link(connection: socket.socket) -> LinuxLink:
    """Makes the memory and the events and sends the client descriptors of them.

    Raises OSError: no descriptor is left, or the client went away.
    """
    with contextlib.ExitStack() as undo:

        def owned(descriptor: int) -> int:
            undo.callback(os.close, descriptor)
            return descriptor

        memory = owned(os.memfd_create("cwai-channel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.ftruncate(memory, CHANNEL_BYTES)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        to_runtime, to_client = owned(os.eventfd(0, flags)), owned(os.eventfd(0, flags))
        socket.send_fds(connection, [_HELLO.pack(_MAGIC, VERSION)], [memory, to_client, to_runtime])
        link = LinuxLink(memory, to_runtime, to_client, connection.dup())
        undo.pop_all()
    return link


async def connect_channel(path: Path) -> Channel:
    """The client's side: a channel from the host that listens at `path`; raises as `connect_link` does."""
    return Channel(await connect_link(path), client=True)


async def connect_link(path: Path) -> LinuxLink:
    """What the client's side of a channel is made of, from the host that listens at `path`.

    Raises HostUnreachableError: nobody listens there, or it does not answer. NotAvailableError: it
    speaks another version, belongs to another user, or has no channel left.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        descriptors = await asyncio.to_thread(_request, connection, path)
        return LinuxLink(*descriptors, connection)
    except BaseException:
        connection.close()
        raise


def _request(connection: socket.socket, path: Path) -> tuple[int, int, int]:
    """Asks for a channel: its memory, the event that wakes this side, the event that wakes the host."""
    connection.settimeout(_HANDSHAKE_SECONDS)
    try:
        connection.connect(os.fspath(path))
        if _peer_of(connection)[1] != os.getuid():
            raise NotAvailableError(f"The socket {path} belongs to a process of another user.")
        connection.sendall(_HELLO.pack(_MAGIC, VERSION))
        answer, descriptors, _, _ = socket.recv_fds(connection, _HELLO.size, 3)
    except OSError as error:
        raise HostUnreachableError(
            f"No channel from the host at {path}: {error}", hint="`cwai status` says whether a host runs."
        ) from error
    try:
        _check_answer(answer, descriptors)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    memory, own, peer = descriptors
    return memory, own, peer


def _check_answer(answer: bytes, descriptors: list[int]) -> None:
    magic, version = _HELLO.unpack(answer) if len(answer) == _HELLO.size else (b"", 0)
    if magic != _MAGIC:
        raise HostUnreachableError("The host ended the connection instead of opening a channel.")
    if version == _FULL:
        raise NotAvailableError(
            f"The host has no channel left; it opens {MOST_CHANNELS} at once.",
            hint="Try again when others are done, or leave out --kernel-accelerated.",
        )
    if version != VERSION:
        raise NotAvailableError(
            f"The host speaks version {version} of the channel, this program version {VERSION}.",
            hint="`cwai stop` ends the old host; the next command starts a new one.",
        )
    # Memory that could shrink would end this process with SIGBUS.
    if len(descriptors) != 3 or fcntl.fcntl(descriptors[0], fcntl.F_GET_SEALS) & _SEALS != _SEALS:
        raise HostUnreachableError("What the host handed over is not a channel.")


def _peer_of(connection: socket.socket) -> tuple[int, int]:
    """Process id and user id of the other side, from the kernel."""
    content = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(content)
    return process, user
