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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from codex_windows_ai.client.mcp.envelope import Envelope, read_envelope
from codex_windows_ai.client.mcp.exchange import Exchange, HostAddress, NotSentError
from codex_windows_ai.client.mcp.session import Session
from codex_windows_ai.errors import HostUnreachableError, WindowsAiError
from codex_windows_ai.protocol.json_rpc import INTERNAL_ERROR, BadMessageError, error_line

LAST_WORDS_SECONDS = 1.0
"""How long requests may go on when the client has closed our input; then they are cancelled. So long may it take, too,
to tell that to the client and to the host."""

_ATTEMPTS = 3
_UNAUTHORIZED, _NOT_FOUND, _STOPPING = 401, 404, 503
_BLANK = b" \t\r\n\xef\xbb\xbf"
"""What an empty line may hold: white space and a byte order mark."""


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
        # A list, because two requests may have the same id.
        self._running: list[Exchange] = []
        self._changed = threading.Condition()
        self._client_is_deaf = False

    @property
    def session_id(self) -> str | None:
        """The host's name for the client's session, if the client's protocol has sessions."""
        return self._session.id

    def run(self) -> None:
        """Serves until the client closes its end."""
        for line in self._source:
            if line.strip(_BLANK):
                self._take(line)
            if self._client_is_deaf:
                break
        self._finish()

    def _take(self, line: bytes) -> None:
        try:
            message = read_envelope(line)
        except BadMessageError as error:
            self._write(error_line(error.request_id, error.code, error.message))
            return
        exchange = Exchange(message)
        if message.method == "notifications/cancelled":
            self._cancel(message.cancelled_key)
        elif message.is_request and message.method != "initialize":
            self._begin(exchange)
        else:
            self._serve(exchange)  # their order matters, and they are answered at once

    def _cancel(self, key: str) -> None:
        """Closing the connection says it in every protocol generation: our host ends what nobody waits for."""
        with self._changed:
            exchanges = [exchange for exchange in self._running if exchange.message.key == key]
        for exchange in exchanges:
            exchange.cancel()

    def _begin(self, exchange: Exchange) -> None:
        with self._changed:
            self._running.append(exchange)
        try:
            threading.Thread(target=self._serve, args=[exchange], daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._refuse(exchange, INTERNAL_ERROR, f"Too many requests are under way: {error}. Try again later.")
            self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        with self._changed:
            if exchange in self._running:
                self._running.remove(exchange)
            self._changed.notify_all()

    def _serve(self, exchange: Exchange) -> None:
        """Sees to it that a request is answered, whatever happens."""
        try:
            self._carry(exchange)
        except WindowsAiError as error:
            self._refuse(exchange, error.json_rpc_code, error.message_and_hint, {"code": error.code})
        except Exception as error:
            self._refuse(exchange, INTERNAL_ERROR, f"`cwai mcp` failed with {type(error).__name__}: {error}.")
        finally:
            self._end(exchange)

    def _carry(self, exchange: Exchange) -> None:
        """Sends a message and writes what comes back.

        Raises WindowsAiError: there is no host to be had, or it went away before its answer was whole.
        """
        message = exchange.message
        reason = ""
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
                self._deliver(exchange, answer)
            except NotSentError as error:
                if exchange.cancelled:
                    return
                self._forget()
                reason = str(error)
                continue
            except HostUnreachableError:
                if not exchange.cancelled:
                    self._forget()
                raise
            return
        raise HostUnreachableError(reason, hint="`cwai status` shows what runs.")

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

    def _deliver(self, exchange: Exchange, answer: http.client.HTTPResponse) -> None:
        handshake = exchange.message.method == "initialize"
        if handshake:
            self._session.begin(exchange.message, answer)
        for line in exchange.read(answer):
            if handshake:
                self._session.agree(line)
            if exchange.has_answer:
                self._answer(exchange, line)
            else:
                self._write(line)

    def _forget(self) -> None:
        with self._connecting:
            self._host = None

    def _refuse(self, exchange: Exchange, code: int, reason: str, data: Mapping[str, Any] | None = None) -> None:
        if exchange.message.is_request and not exchange.cancelled:
            self._answer(exchange, error_line(exchange.message.id, code, reason, data))

    def _answer(self, exchange: Exchange, line: bytes) -> None:
        """Gives a request its one answer; a second one is dropped."""
        with self._writing:
            if not exchange.settled:
                exchange.settled = True
                self._put(line)

    def _write(self, line: bytes) -> None:
        with self._writing:
            self._put(line)

    def _put(self, line: bytes) -> None:
        """Writes a line. When nobody reads any more, whatever runs is cancelled: nobody could be given its answer."""
        if self._client_is_deaf:
            return
        rest = memoryview(line + b"\n")
        try:
            while rest:
                rest = rest[self._sink.write(rest) :]
            self._sink.flush()
        except (OSError, ValueError):
            self._client_is_deaf = True
            with self._changed:
                exchanges = list(self._running)
            for exchange in exchanges:
                exchange.cancel()

    def _finish(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._running, LAST_WORDS_SECONDS)
            left = [exchange for exchange in self._running if not exchange.cancelled]
        for exchange in left:
            exchange.cancel()
        # Not in this thread: a client that reads no more, or a host that hangs, must not keep us.
        farewell = threading.Thread(target=self._say_goodbye, args=[left], daemon=True)
        farewell.start()
        farewell.join(LAST_WORDS_SECONDS)

    def _say_goodbye(self, left: Sequence[Exchange]) -> None:
        """Tells the client what it will get no answer to, and the host that the session is over."""
        reason = "The client closed standard input before the answer was there, so the request was cancelled."
        for exchange in left:
            self._answer(exchange, error_line(exchange.message.id, INTERNAL_ERROR, reason, {"code": "cancelled"}))
        if self._host is not None and self._session.id is not None:
            with contextlib.suppress(NotSentError, WindowsAiError):
                self._session.end(self._host)
