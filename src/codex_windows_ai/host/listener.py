"""The socket that the host listens on, and the names it may be called by."""

from __future__ import annotations

import ipaddress
import socket
import sys

import psutil

from codex_windows_ai.errors import HostStartError

DEFAULT_PORT = 8417
"""Outside the ranges that Linux and Windows give to outgoing connections, so that it is rarely taken."""

LOOPBACK = "127.0.0.1"
_BACKLOG = 2048


def open_listener(address: str, port: int | None) -> socket.socket:
    """A listening TCP socket. Without `port` the default one, or any free one where that is taken; 0 is any.

    Raises HostStartError: the port is taken or not allowed, or the address is not of this machine.
    """
    try:
        return _listen(address, DEFAULT_PORT if port is None else port)
    except OSError as error:
        if port is None:
            return open_listener(address, 0)
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
    if address in ("0.0.0.0", ""):  # noqa: S104  # compared, not bound
        address = LOOPBACK
    elif address == "::":
        address = "::1"
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def names_of_machine(address: str) -> tuple[str, ...]:
    """What other machines may call a host that listens on `address`: its names and addresses."""
    addresses = [entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries]
    return tuple({address, socket.gethostname(), socket.getfqdn(), *addresses})


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take over the port; this forbids it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections of the last host that wait for their end must not keep the port from the next one.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
