"""The connections of the HTTP server: how many there may be, and how long each may wait for its client.

uvicorn has neither bound. Without them, connections that never finish a request take every descriptor of the
process, and nobody else is served any more.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from codex_windows_ai.host.peers import CONNECTION

REQUEST_SECONDS = 15.0
"""How long a client may take until its request line and headers are whole."""

MOST_CONNECTIONS = 1024
"""More than the engine's queue holds; fewer where the process may not have twice as many descriptors."""

_MOST_ACCEPTED_AT_ONCE = 64
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_OUT_OF_DESCRIPTORS = "socket.accept() out of system resource"

log = logging.getLogger("codex_windows_ai.host")


@functools.cache
def most_connections() -> int:
    """How many connections may be open: half of what the process may have; models, files and channels have the rest."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if descriptors == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, descriptors // 2)


def accepted_at_once() -> int:
    """How many new connections the event loop takes before those that are too many are closed."""
    return max(1, min(_MOST_ACCEPTED_AT_ONCE, most_connections() // 8))


class Connection(H11Protocol):
    """A client's connection. While it waits for its client it is closed after a while, or to make room for another.

    While a request is answered it stays, unless there are too many and its client does not read what it is sent.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # uvicorn's own type
        """Waits for a request; where there are too many connections one is closed."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, CONNECTION: {}}  # each request has a copy in its scope
        self._await_request()
        if len(self.connections) > most_connections():
            make_room(cast("set[Connection]", self.connections), newest=self)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sent."""
        self._heard_at = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Waits for the rest of the request, if there is any, and for the next one."""
        self._patience.cancel()
        self._await_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the client."""
        self._patience.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Ends the connection: after the answer where a request is answered, else at once."""
        if self._answers:
            super().shutdown()
        else:
            self.transport.close()

    @property
    def _has_request(self) -> bool:
        """The headers of a request came, and its answer is not at its end."""
        return bool(self.cycle) and not self.cycle.response_complete

    @property
    def _answers(self) -> bool:
        """A whole request came, and its answer is not at its end."""
        return self._has_request and not self.cycle.more_body

    def _await_request(self) -> None:
        self._heard_at = self.loop.time()
        self._patience = self.loop.call_later(REQUEST_SECONDS, self._lose_patience)

    def _lose_patience(self) -> None:
        """Closes the connection of a client that finished no request; how long a body may take is the body's matter."""
        if self._has_request:
            return
        if not self.cycle and self.conn.trailing_data[0]:
            self.transport.write(_TOO_LATE)
        self.transport.close()

    @property
    def closable(self) -> bool:
        """It waits for its client, or its client does not read what it is sent."""
        return not self._answers or self.flow.write_paused

    @property
    def worth(self) -> tuple[bool, float]:
        """What is kept rather: whoever is answered, and whoever was heard last."""
        return self._answers, self._heard_at


def make_room(connections: set[Connection], newest: Connection | None = None) -> None:
    """Closes the connection whose client was silent for longest: of those that wait, else of those not read.

    Where there is none it is `newest`, the one that is too many.
    """
    closable = [each for each in connections if each is not newest and each.closable]
    victim = min(closable, key=lambda each: each.worth, default=newest)
    if victim is not None:
        victim.transport.abort()
        connections.discard(victim)  # it is told of its end later, and must not be chosen again until then


def handle_loop_error(connections: set[Connection], loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Makes room where no descriptor is left for a connection, which asyncio tries again; else logs as asyncio does."""
    if context.get("message") == _OUT_OF_DESCRIPTORS:
        log.error("no connection can be taken: %s", context.get("exception"))
        make_room(connections)
    else:
        loop.default_exception_handler(context)
