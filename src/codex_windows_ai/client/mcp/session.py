"""The session that a client of a protocol before 2026 has with the host, and how it outlives a host."""

from __future__ import annotations

import http.client
import json
from typing import Any, cast

from codex_windows_ai.client.mcp.envelope import Envelope, read_envelope
from codex_windows_ai.client.mcp.exchange import Exchange, HostAddress

_NOTHING = Envelope(b"", {})
_INITIALIZED = read_envelope(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


class Session:
    """What the host was told when the session began, and the session's names.

    `agent` says who asks, in all sessions and in protocols that have none.
    """

    def __init__(self, agent: str) -> None:
        self.id: str | None = None
        self._agent = agent
        self._version: str | None = None
        self._handshake: Envelope | None = None

    def headers(self, message: Envelope) -> dict[str, str]:
        """The HTTP headers that a message goes with."""
        headers = {"session-id": self._agent}
        if message.protocol_version is not None:
            return headers | message.own_headers()
        if message.method != "initialize":
            if self.id is not None:
                headers["mcp-session-id"] = self.id
            if self._version is not None:
                headers["mcp-protocol-version"] = self._version
        return headers

    def begin(self, handshake: Envelope, answer: http.client.HTTPResponse) -> None:
        """Remembers a handshake that the host has taken."""
        if answer.status == http.client.OK:
            self._handshake = handshake
            self.id = answer.getheader("mcp-session-id")

    def agree(self, line: bytes) -> None:
        """Remembers the protocol version in the handshake's answer."""
        result = cast("dict[str, Any]", json.loads(line)).get("result")
        if isinstance(result, dict):
            self._version = cast("dict[str, Any]", result).get("protocolVersion", self._version)

    def reopen(self, host: HostAddress) -> None:
        """Repeats the client's handshake with another host, so that the client need not know that it is another.

        Raises as an exchange does.
        """
        self.id = None
        if self._handshake is None:
            return
        exchange = Exchange(self._handshake)
        answer = exchange.send(host, self.headers(self._handshake))
        self.begin(self._handshake, answer)
        for line in exchange.read(answer):
            self.agree(line)
        exchange = Exchange(_INITIALIZED)
        list(exchange.read(exchange.send(host, self.headers(_INITIALIZED))))

    def end(self, host: HostAddress) -> None:
        """Tells the host that the session is over; raises as an exchange does."""
        exchange = Exchange(_NOTHING)
        list(exchange.read(exchange.send(host, self.headers(_NOTHING), method="DELETE")))
