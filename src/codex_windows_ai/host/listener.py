"""The sockets that the host listens on, and the names it may be called by."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from codex_windows_ai.errors import HostStartError

DEFAULT_PORT = 8417
"""Outside the ranges that Linux and Windows give to outgoing connections, so that it is rarely taken."""

LOOPBACK = "127.0.0.1"
BACKLOG = 2048
"""How many connections the system keeps until they are accepted."""

_OTHER_LOOPBACK = {"127.0.0.1": "::1", "localhost": "::1", "::1": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets of one host, all of one port, which the end of a `with` block closes; `urls` has the first's first.

    `remark` says why clients may reach another program instead.
    """

    sockets: tuple[socket.socket, ...]
    urls: tuple[str, ...]
    port: int
    remark: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in self.sockets:
            each.close()


def open_listeners(address: str, port: int | None) -> Listeners:
    """Listens on an address, and where it is a loopback one on the other, so that `localhost` is this host either way.

    Without `port` the default one, or any free one where that is taken; 0 is any.

    Raises HostStartError: the port is taken or not allowed, or the address is not of this machine.
    """
    first = _listen_or_explain(address, port)
    taken = int(first.getsockname()[1])
    url, other = url_of(address, taken), _OTHER_LOOPBACK.get(address.lower())
    if other is None:
        return Listeners((first,), (url,), taken)
    try:
        return Listeners((first, _listen(other, taken)), (url, url_of(other, taken)), taken)
    except OSError as error:
        remark = None
        if error.errno in (errno.EADDRINUSE, errno.EACCES):  # else this machine has no such address
            remark = (
                f"Another program listens on {url_of(other, taken)}: clients that call `localhost` may reach that one. "
                f"Configure them with {url}, or choose another port with the setting `port`."
            )
        return Listeners((first,), (url,), taken, remark)


def _listen_or_explain(address: str, port: int | None) -> socket.socket:
    try:
        return _listen(address, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is None:
            return _listen_or_explain(address, 0)
        raise HostStartError(
            f"Cannot listen on {address}, port {port}: {error.strerror or error}.",
            hint="Choose another port with `--port` or the setting `port`, or leave it out: a free one is then found.",
        ) from error


def is_loopback(address: str) -> bool:
    """Whether only programs of this machine reach that address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def url_of(address: str, port: int) -> str:
    """Where clients on this machine find a host that listens there."""
    if address.lower() in ("0.0.0.0", "", "localhost"):  # noqa: S104  # compared, not bound
        address = LOOPBACK
    elif address == "::":
        address = "::1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def names_of_machine(address: str) -> tuple[str, ...]:
    """What other machines may call a host that listens on `address`: its names and addresses.

    No name server is asked, who would learn of it: the name with its domain is the one in the file of host names.
    """
    addresses = [entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries]
    return tuple({address, socket.gethostname(), *_names_in_file(socket.gethostname()), *addresses})


def _names_in_file(name: str) -> list[str]:
    """Every name of the lines of this machine's file of host names that `name` stands in."""
    windows = os.environ.get("SYSTEMROOT")
    file = Path(windows, "System32", "drivers", "etc", "hosts") if windows else Path("/etc/hosts")
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    entries = [line.partition("#")[0].split()[1:] for line in lines]
    return [other for names in entries if name in names for other in names]


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio sends what it writes at once only where the protocol is named, and not where it is 0.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take over the port; this forbids it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections of the last host that wait for their end must not keep the port from the next one.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
