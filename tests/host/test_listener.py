"""The sockets of a host, and the names by which other machines reach it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from codex_windows_ai.host.listener import LOOPBACK, names_of_machine, open_listeners

NO_LOOKUP = """
import sys
def note(event, arguments):
    if event.startswith(("socket.gethostby", "socket.getaddrinfo", "socket.getnameinfo")):
        sys.exit(event)
sys.addaudithook(note)
from codex_windows_ai.host.listener import names_of_machine
names_of_machine("0.0.0.0")
"""


def test_the_names_are_the_machines_own_and_its_addresses() -> None:
    names = names_of_machine("0.0.0.0")

    assert {"0.0.0.0", "127.0.0.1", socket.gethostname()} <= set(names)


def test_no_name_server_is_asked_for_them() -> None:
    ran = subprocess.run([sys.executable, "-c", NO_LOOKUP], capture_output=True, encoding="utf-8")

    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.anyio
async def test_what_is_written_to_a_client_is_sent_at_once() -> None:
    """Else an answer's second piece waits until the client confirms the first: for 40 ms, on Linux."""
    accepted: asyncio.Queue[asyncio.Transport] = asyncio.Queue()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            accepted.put_nowait(transport)

    with open_listeners(LOOPBACK, 0) as listeners:
        for listener in listeners.sockets:
            server = await asyncio.get_running_loop().create_server(Protocol, sock=listener)
            with socket.create_connection(listener.getsockname()[:2]):
                transport = await accepted.get()
                assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                transport.abort()
            server.close()
            await server.wait_closed()
