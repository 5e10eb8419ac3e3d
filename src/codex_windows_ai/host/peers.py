"""Which process a connection of this machine comes from: many connections of one program are one agent.

On Linux the kernel says a socket's inode and user (sock_diag(7); its table /proc/net/tcp takes 12 ms where that takes
0.1), and /proc/PID/fd which process has it open. On Windows the table of connections names the process itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import struct
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from starlette.types import Scope

from codex_windows_ai.api.shared.identity import PEER, names_itself
from codex_windows_ai.host.listener import is_loopback

CONNECTION = "codex_windows_ai.connection"
"""Where a request's `state` has a dictionary that all requests of one connection share."""

_PATIENCE_SECONDS = 0.5
_MOST_REMEMBERED = 64

# linux/netlink.h and linux/inet_diag.h
_AF_NETLINK = 16  # only Linux' Python knows it
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_ANY_STATE = 0xFFFF_FFFF
_NO_COOKIE = (0xFFFF_FFFF, 0xFFFF_FFFF)
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI36sIII")
_USER_AND_INODE = struct.Struct("=II")
_USER_OFFSET = _HEADER.size + 64

Address = tuple[str, int]


class Peers:
    """Finds the processes that requests come from, once for each connection, in a thread and one after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._seen: OrderedDict[int, None] = OrderedDict()
        """Processes that asked before, the latest last: whoever asks has most likely asked before."""

    async def name(self, scope: Scope) -> None:
        """Notes for `agent_of` which process sent a request, unless it names itself or comes from elsewhere."""
        peer, own = scope.get("client"), scope.get("server")
        if not peer or not own or not peer[1] or not own[1] or names_itself(scope):
            return
        connection: dict[str, Any] = scope.get("state", {}).get(CONNECTION, {})
        if PEER not in connection:
            connection[PEER] = await self._find((peer[0], peer[1]), (own[0], own[1]))
        if process := connection[PEER]:
            scope[PEER] = process

    async def _find(self, peer: Address, own: Address) -> int | None:
        if not is_loopback(peer[0]):
            return None
        with contextlib.suppress(TimeoutError, OSError, psutil.Error):
            async with asyncio.timeout(_PATIENCE_SECONDS), self._turn:
                found = await asyncio.to_thread(owner_of, peer, own, list(reversed(self._seen)))
                if found is not None:
                    self._remember(found)
                return found
        return None

    def _remember(self, process: int) -> None:
        self._seen[process] = None
        self._seen.move_to_end(process)
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)


def owner_of(peer: Address, own: Address, likely: list[int]) -> int | None:
    """The process of this machine that has the socket `peer`, connected to `own`; `likely` ones are looked at first.

    None where that cannot be seen, as of another user's process.
    """
    if sys.platform != "linux":
        return next(
            (entry.pid for entry in psutil.net_connections("tcp") if entry.laddr == peer and entry.raddr == own), None
        )
    found = _socket_of(peer, own)
    if found is None:
        return None
    inode, user = found
    target = f"socket:[{inode}]"
    return next((process for process in _candidates(likely, user) if _has_open(process, target)), None)


def _socket_of(peer: Address, own: Address) -> tuple[int, int] | None:
    """Inode and user of the socket, from the kernel; None where it has no such socket. Raises OSError."""
    addresses = [ipaddress.ip_address(address) for address, _ in (peer, own)]
    family = socket.AF_INET if addresses[0].version == 4 else socket.AF_INET6
    identity = struct.pack(">HH16s16s", peer[1], own[1], *(address.packed for address in addresses))
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ANY_STATE, identity, 0, *_NO_COOKIE)
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
    with socket.socket(_AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_PATIENCE_SECONDS)
        kernel.sendall(header + request)
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    user, inode = _USER_AND_INODE.unpack_from(answer, _USER_OFFSET)
    return inode, user


def _candidates(likely: list[int], user: int) -> Iterator[int]:
    """Processes in the order in which they are looked at: likely ones, then those of the user, the youngest first."""
    yield from likely
    folders = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    for folder in sorted(folders, key=lambda folder: int(folder.name), reverse=True):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == user:
                yield int(folder.name)


def _has_open(process: int, target: str) -> bool:
    with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if os.readlink(entry) == target:  # noqa: PTH115  # a Path for each of thousands takes longer than to read it
                    return True
    return False
