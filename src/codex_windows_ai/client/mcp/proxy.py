"""`cwai mcp`: a client's standard input and output joined to the host's MCP door.

It carries JSON-RPC messages as they are and knows of the protocol only what the two transports do
differently: sessions, headers, cancellation. It is made of the standard library, because a client
waits for its first word and a user may run dozens of it: the SDK takes a second and 50 MB to
import, httpx2 twice the memory of `http.client`. It has a thread for each request that runs,
because standard input cannot be awaited on Windows, and because a thread that waits for an answer
is released by shutting down its socket, which is also what cancels a call in the host.

The host says nothing outside of answers (it announces neither changes nor subscriptions), so no
standing GET stream is held open; that would also keep an idle host from ending.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import uuid
from collections.abc import Callable
from typing import BinaryIO

from codex_windows_ai.client.mcp.envelope import PARSE_ERROR, Envelope, error_line, read_envelope
from codex_windows_ai.client.mcp.exchange import Exchange, HostAddress, NotSentError
from codex_windows_ai.client.mcp.session import Session
from codex_windows_ai.errors import HostUnreachableError, WindowsAiError

LAST_WORDS_SECONDS = 1.0
"""How long requests may go on when the client has closed our input; then they are cancelled."""

_ATTEMPTS = 3
_UNAUTHORIZED, _NOT_FOUND, _STOPPING = 401, 404, 503


class StdioProxy:
    """Carries messages between a client and the host until the client's end of file.

    `find_host` returns the address of a host that listens, starting one where none does, or raises
    WindowsAiError. It is asked again whenever the host that it named is gone; `suspicious` then
    says that what looks like a host may not be one any more.
    """

    def __init__(self, find_host: Callable[[bool], HostAddress], source: BinaryIO, sink: BinaryIO) -> None:
        self._find_host = find_host
        self._source = source
        self._sink = sink
        self._writing = threading.Lock()
        self._connecting = threading.Lock()
        self._host: HostAddress | None = None
        # One program on standard input is one agent.
        self._session = Session(agent=f"stdio-{uuid.uuid4().hex}")
        self._running: dict[str, Exchange] = {}
        self._changed = threading.Condition()

    @property
    def session_id(self) -> str | None:
        """The host's name for the client's session, if the client's protocol has sessions."""
        return self._session.id

    def run(self) -> None:
        """Serves until the client closes its end."""
        for line in self._source:
            if line.strip():
                self._take(line)
        self._finish()

    def _take(self, line: bytes) -> None:
        try:
            message = read_envelope(line)
        except ValueError as error:
            self._write(error_line(None, PARSE_ERROR, f"This line is not a JSON-RPC message: {error}."))
            return
        if message.method == "notifications/cancelled":
            self._cancel(message.cancelled_key)
        elif message.is_request and message.method != "initialize":
            threading.Thread(target=self._serve, args=[message], daemon=True).start()
        else:
            self._serve(message)  # their order matters, and they are answered at once

    def _cancel(self, key: str) -> None:
        """Closing the connection says it in every protocol generation: our host ends what nobody waits for."""
        with self._changed:
            exchange = self._running.get(key)
        if exchange is not None:
            exchange.cancel()

    def _serve(self, message: Envelope) -> None:
        exchange = Exchange(message)
        with self._changed:
            if message.is_request:
                self._running[message.key] = exchange
        try:
            self._carry(message, exchange)
        except WindowsAiError as error:
            if message.is_request and not exchange.cancelled:
                data = {"code": error.code}
                self._write(error_line(message.id, error.json_rpc_code, error.message_and_hint, data))
        finally:
            with self._changed:
                if self._running.get(message.key) is exchange:
                    del self._running[message.key]
                self._changed.notify_all()

    def _carry(self, message: Envelope, exchange: Exchange) -> None:
        """Sends a message and writes what comes back.

        Raises WindowsAiError: there is no host to be had, or it went away before its answer was whole.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                host = self._connect(message, suspicious=attempt > 1)
                if exchange.cancelled:
                    return
                answer = exchange.send(host, self._session.headers(message))
                if attempt < _ATTEMPTS and self._wrong_host(message, answer.status):
                    answer.close()
                    self._forget()
                    continue
                self._deliver(message, exchange, answer)
            except NotSentError:
                if exchange.cancelled:
                    return
                self._forget()
                continue
            except HostUnreachableError:
                if not exchange.cancelled:
                    self._forget()
                raise
            return
        raise HostUnreachableError("No host could be reached.", hint="`cwai status` shows what runs.")

    def _connect(self, message: Envelope, *, suspicious: bool) -> HostAddress:
        """The host. A new one is given the client's own handshake again, so that the client need not know."""
        with self._connecting:
            if self._host is None:
                host = self._find_host(suspicious)
                if message.method != "initialize" and message.protocol_version is None:
                    self._session.reopen(host)
                self._host = host
            return self._host

    def _wrong_host(self, message: Envelope, status: int) -> bool:
        """Whether the answer is that of a host that does not know us (any more), and has done nothing."""
        in_session = self._session.id is not None and message.protocol_version is None
        return status in (_STOPPING, _UNAUTHORIZED) or (status == _NOT_FOUND and in_session)

    def _deliver(self, message: Envelope, exchange: Exchange, answer: http.client.HTTPResponse) -> None:
        handshake = message.method == "initialize"
        if handshake:
            self._session.begin(message, answer)
        for line in exchange.read(answer):
            if handshake:
                self._session.agree(line)
            self._write(line)

    def _forget(self) -> None:
        with self._connecting:
            self._host = None

    def _write(self, line: bytes) -> None:
        # A client that reads no more is about to close its end of our input, too.
        with self._writing, contextlib.suppress(BrokenPipeError):
            self._sink.write(line + b"\n")
            self._sink.flush()

    def _finish(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._running, LAST_WORDS_SECONDS)
            for exchange in self._running.values():
                exchange.cancel()
        if self._host is not None and self._session.id is not None:
            with contextlib.suppress(NotSentError, WindowsAiError):
                self._session.end(self._host)
