#!/usr/bin/env bash
# asyncio sets TCP_NODELAY "by default for all TCP connections" (docs of loop.create_server, since 3.6), but not for the
# connections of a listening socket that was made by socket.socket(AF_INET, SOCK_STREAM): its protocol is 0, which means
# TCP, accept() hands the 0 on, and asyncio looks for IPPROTO_TCP. Such a socket is what many servers pass as `sock`.
#
# Expected: TCP_NODELAY is set on every accepted connection.
# Seen, CPython 3.11.7, 3.12.1, 3.13.0: it is set where the listener was made with IPPROTO_TCP, or by asyncio, and not
# where it was made with protocol 0. On Linux an answer in two writes takes 40 ms then (Nagle against delayed ACKs).
# Fails when one of these changes. Needs python3 only.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/nodelay.py" <<'PYTHON'
"""Whether accepted connections have TCP_NODELAY, by how the listener was made."""
import asyncio
import socket
import sys


async def accepted_with_nodelay(**how) -> bool:
    accepted = asyncio.get_running_loop().create_future()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            accepted.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Protocol, **how)
    with socket.create_connection(server.sockets[0].getsockname()):
        transport = await accepted
        found = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
    server.close()
    return bool(found)


def listener(protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
    made.bind(("127.0.0.1", 0))
    return made


async def main() -> bool:
    changed = False
    for name, how, expected in (
        ("made by asyncio", {"host": "127.0.0.1", "port": 0}, True),
        ("IPPROTO_TCP", {"sock": listener(socket.IPPROTO_TCP)}, True),
        ("protocol 0", {"sock": listener(0)}, False),
    ):
        found = await accepted_with_nodelay(**how)
        changed |= found != expected
        print(f"{sys.version.split()[0]}, listener {name}: TCP_NODELAY {found} (expected {expected})")
    return changed


raise SystemExit("changed" if asyncio.run(main()) else 0)
PYTHON

python3 "$work/nodelay.py"
