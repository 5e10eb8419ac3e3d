"""One message to the host's MCP door and what comes back, over a connection of its own.

A connection for each message costs a fraction of a millisecond on one machine; in return there is
no kept connection that turns out to be dead, and shutting it down ends this exchange and no other.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from codex_windows_ai.client.mcp.envelope import Envelope, error_line
from codex_windows_ai.errors import HostUnreachableError

PATH = "/mcp"

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 120.0
"""Longer than any pause of a stream that is alive: it has heartbeats."""
_INTERNAL_ERROR = -32603


class NotSentError(Exception):
    """The message did not reach the host, so it may be sent again."""


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where a host listens, and the token it asks for."""

    url: str
    token: str


class Exchange:
    """A message on its way. `cancel` may be called from any thread, at any time."""

    def __init__(self, message: Envelope | None) -> None:
        self.message = message
        self.cancelled = False
        self._connection: http.client.HTTPConnection | None = None
        # The connection gives its socket away to the answer that it gets.
        self._socket: socket.socket | None = None
        self._answered = False

    def cancel(self) -> None:
        """Ends it by closing its connection, which tells the host to stop working on it."""
        self.cancelled = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, host: HostAddress, headers: Mapping[str, str], *, method: str = "POST") -> http.client.HTTPResponse:
        """Sends the message and waits for the head of the answer.

        Raises NotSentError: it did not reach the host. HostUnreachableError: it may have, but nothing came back.
        """
        place = urlsplit(host.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_CONNECT_SECONDS)
        self._connection = connection
        body = self.message.line if self.message else None
        try:
            connection.connect()
            self._socket = connection.sock
            if self.cancelled:  # before there was anything to shut down
                raise ConnectionAbortedError
            connection.sock.settimeout(_SILENCE_SECONDS)
            connection.request(
                method,
                PATH,
                body,
                {
                    "authorization": f"Bearer {host.token}",
                    "accept": "application/json, text/event-stream",
                    "content-type": "application/json",
                    "connection": "close",
                    **headers,
                },
            )
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotSentError from error
        try:
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _lost() from error

    def read(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The messages that come back, each one line without its end.

        Raises HostUnreachableError: the answer broke off.
        """
        try:
            if answer.status >= http.client.BAD_REQUEST:
                yield from self._refusal(answer)
            elif answer.getheader("content-type", "").startswith("text/event-stream"):
                yield from self._events(answer)
            elif body := answer.read().strip():
                self._answered = True
                yield _one_line(body)
        except (OSError, http.client.HTTPException) as error:
            raise _lost() from error
        finally:
            answer.close()
            if self._connection is not None:
                self._connection.close()
        if self.message is not None and self.message.is_request and not self._answered and not self.cancelled:
            raise _lost()

    def _events(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The data of a stream's events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
        data: list[bytes] = []
        while line := answer.readline():
            line = line.rstrip(b"\r\n")
            if line.startswith(b"data:"):
                data.append(line.removeprefix(b"data:").removeprefix(b" "))
            elif not line and data:
                event, data = b"\n".join(data), []
                if event:
                    self._note(event)
                    yield _one_line(event)

    def _note(self, event: bytes) -> None:
        """Sees whether a message is the answer that the client waits for."""
        content = json.loads(event)
        if self.message is not None and "method" not in content and content.get("id") == self.message.id:
            self._answered = True

    def _refusal(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """An HTTP error as the JSON-RPC error of the request that it refuses; nothing for a message without answer."""
        body = answer.read()
        self._answered = True
        if self.message is None or not self.message.is_request:
            return
        try:
            error = cast("dict[str, Any]", json.loads(body)["error"])
            message = str(error["message"])
        except (ValueError, LookupError, TypeError):
            error, message = {}, f"The host answered with HTTP status {answer.status}."
        # The door's own errors are JSON-RPC with a number for a code; the host's are OpenAI's, with a word.
        code = error.get("code")
        data = error.get("data") if isinstance(code, int) else {"code": code, "http_status": answer.status}
        yield error_line(self.message.id, code if isinstance(code, int) else _INTERNAL_ERROR, message, data)


def _one_line(message: bytes) -> bytes:
    """A JSON text without line ends: inside its strings they are escaped, between its tokens they mean nothing."""
    return message.replace(b"\r", b" ").replace(b"\n", b" ")


def _lost() -> HostUnreachableError:
    return HostUnreachableError(
        "The host went away before its answer was whole.", hint="Ask again: where none runs, a new one is started."
    )
