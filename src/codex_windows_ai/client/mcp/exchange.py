"""One message to the host's MCP door and what comes back, over a connection of its own.

A connection for each message costs a fraction of a millisecond on one machine; in return there is
no kept connection that turns out to be dead, and shutting it down ends this exchange and no other.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from codex_windows_ai.client.mcp.envelope import Envelope
from codex_windows_ai.client.mcp.refusal import refusal_line
from codex_windows_ai.errors import HostUnreachableError
from codex_windows_ai.protocol.json_rpc import INTERNAL_ERROR, error_line
from codex_windows_ai.protocol.json_values import object_in

PATH = "/mcp"

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 120.0
"""Longer than any pause of a stream that is alive: it has heartbeats."""
_MOST_BYTES_UNASKED = 64 * 1024
"""A larger message is sent when the host has said that it takes it: one that refuses it reads nothing of it and closes
the connection, and whoever sends on loses the answer by that."""


class NotSentError(Exception):
    """The message did not reach the host, so it may be sent again; its text says why."""


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where a host listens, and the token it asks for."""

    url: str
    token: str


class Exchange:
    """A message on its way. `cancel` may be called from any thread, at any time."""

    def __init__(self, message: Envelope) -> None:
        self.message = message
        self.cancelled = False
        self.has_answer = False
        """Whether the request's answer is among the messages that were read."""
        self.settled = False
        """Whether the client was given an answer, which happens once."""
        self._connection: http.client.HTTPConnection | None = None
        # The connection gives its socket away to the answer that it gets.
        self._socket: socket.socket | None = None

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
        try:
            connection.connect()
        except OSError as error:
            raise NotSentError("No host could be reached.") from error
        self._socket = connection.sock
        fields = {
            "authorization": f"Bearer {host.token}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "connection": "close",
            **headers,
        }
        try:
            if self.cancelled:  # before there was anything to shut down
                raise ConnectionAbortedError
            connection.sock.settimeout(_SILENCE_SECONDS)
            self._send_through(connection, method, fields)
        except TimeoutError as error:
            connection.close()
            raise _silent() from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotSentError("The host closed the connection before it had the message.") from error
        try:
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _silent() if isinstance(error, TimeoutError) else _lost() from error

    def _send_through(self, connection: http.client.HTTPConnection, method: str, headers: Mapping[str, str]) -> None:
        body = self.message.line
        if len(body) <= _MOST_BYTES_UNASKED:
            connection.request(method, PATH, body or None, dict(headers))
            return
        asking = {**headers, "content-length": str(len(body)), "expect": "100-continue"}
        connection.request(method, PATH, headers=asking)
        begun = connection.sock.recv(len(b"HTTP/1.1 100"), socket.MSG_PEEK)
        if not begun:
            raise ConnectionResetError
        if begun.endswith(b" 100"):  # else it is the answer already
            connection.send(body)

    def read(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The messages that come back, each one line without its end; a request's answer is among them.

        Raises HostUnreachableError: the answer broke off.
        """
        try:
            if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                yield from self._refusal(answer)
            elif answer.getheader("content-type", "").lower().startswith("text/event-stream"):
                yield from self._messages(self._events(answer))
                if self._lacks_answer:
                    raise _lost()
            else:
                yield from self._messages([answer.read()])
                yield from self._fault("The host took the message and gave no answer to it.")
        except (OSError, http.client.HTTPException) as error:
            raise _silent() if isinstance(error, TimeoutError) else _lost() from error
        finally:
            answer.close()
            if self._connection is not None:
                self._connection.close()

    @property
    def _lacks_answer(self) -> bool:
        return self.message.is_request and not (self.has_answer or self.cancelled)

    def _messages(self, texts: Iterable[bytes]) -> Iterator[bytes]:
        """The messages in an answer, up to the first text that is none."""
        for text in texts:
            if not text.strip():
                continue
            content = object_in(text)
            if content is None:
                yield from self._fault(f"What came back from the host is no JSON object: {text[:40]!r}.")
                return
            if "method" not in content:
                if content.get("id") != self.message.id:
                    continue  # an answer to nothing that was asked here
                self.has_answer = True
            yield _one_line(text.strip())

    def _fault(self, reason: str) -> Iterator[bytes]:
        """An answer of ours to a request that lacks one."""
        if self._lacks_answer:
            self.has_answer = True
            yield error_line(self.message.id, INTERNAL_ERROR, reason)

    def _refusal(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The answer to a request that the host refused; nothing for a message without answer."""
        body = answer.read()
        if self._lacks_answer:
            self.has_answer = True
            yield refusal_line(self.message, answer.status, body)

    def _events(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The data of a stream's events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
        data: list[bytes] = []
        while line := answer.readline():
            line = line.rstrip(b"\r\n")
            if line.startswith(b"data:"):
                data.append(line.removeprefix(b"data:").removeprefix(b" "))
            elif not line and data:
                event, data = b"\n".join(data), []
                yield event


def _one_line(message: bytes) -> bytes:
    """A JSON text without line ends: inside its strings they are escaped, between its tokens they mean nothing."""
    return message.replace(b"\r", b" ").replace(b"\n", b" ")


def _lost() -> HostUnreachableError:
    return HostUnreachableError(
        "The host went away before its answer was whole.", hint="Ask again: where none runs, a new one is started."
    )


def _silent() -> HostUnreachableError:
    return HostUnreachableError(
        f"The host has said nothing for {_SILENCE_SECONDS:.0f} s.", hint="`cwai status` shows whether it is well."
    )
