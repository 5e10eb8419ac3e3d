"""What a proxy must know of a JSON-RPC message to carry it: its kind, its id, its protocol generation."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.protocol.json_rpc import read_message
from codex_windows_ai.protocol.json_values import as_object

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_NAME_KEYS = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_ENCODED = "=?base64?"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that a client wrote: its text, and what that holds."""

    line: bytes
    content: Mapping[str, Any]

    @property
    def method(self) -> str | None:
        """What it asks for; None in an answer to something that the server asked."""
        method = self.content.get("method")
        return method if isinstance(method, str) else None

    @property
    def is_request(self) -> bool:
        """It wants an answer."""
        return self.method is not None and "id" in self.content

    @property
    def id(self) -> object:
        """Its id, as the client wrote it."""
        return self.content.get("id")

    @property
    def key(self) -> str:
        """Its id as something to look it up by: 1 and "1" are two."""
        return json.dumps(self.id)

    @property
    def cancelled_key(self) -> str:
        """Of a cancellation: the key of the request that it is about."""
        return json.dumps(self._parameters.get("requestId"))

    @property
    def protocol_version(self) -> str | None:
        """The protocol version that it carries itself, as messages do since 2026-07-28; None in older ones."""
        version = as_object(self._parameters.get("_meta")).get(_VERSION_KEY)
        return version if isinstance(version, str) else None

    def own_headers(self) -> dict[str, str]:
        """The HTTP headers that repeat parts of a message which carries its own protocol version."""
        version = self.protocol_version
        if version is None:
            return {}
        headers = {"mcp-protocol-version": _header_value(version), "mcp-method": _header_value(self.method or "")}
        name = self._parameters.get(_NAME_KEYS.get(self.method or "", ""))
        if isinstance(name, str):
            headers["mcp-name"] = _header_value(name)
        return headers

    @property
    def _parameters(self) -> Mapping[str, Any]:
        return as_object(self.content.get("params"))


def read_envelope(line: bytes) -> Envelope:
    """The message in a line. Raises BadMessageError."""
    return Envelope(*read_message(line))


def _header_value(text: str) -> str:
    """Text as an HTTP header may hold it: the specification's base64 form where plain characters do not do."""
    plain = text.isascii() and text.isprintable() and text == text.strip() and not text.startswith(_ENCODED)
    return text if plain else f"{_ENCODED}{base64.b64encode(text.encode()).decode()}?="
