"""JSON-RPC messages as clients write them: what is one, what is wrong with one, and the error that says so.

https://www.jsonrpc.org/specification, narrowed by MCP: an id is text or a whole number, parameters are an object, and
there are no batches (only protocol version 2025-03-26 had them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from codex_windows_ai.protocol.json_text import whole_characters, without_halves
from codex_windows_ai.protocol.json_values import object_in

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

_NESTED = "This message is nested too deeply."


class BadMessageError(ValueError):
    """Something that is no message; `request_id` is its id where it has one that can be repeated, else None."""

    def __init__(self, code: int, message: str, request_id: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id


def read_message(raw: bytes) -> tuple[bytes, dict[str, Any]]:
    """A message's text as every reader takes it, and what it holds.

    A byte order mark is left out. Half a surrogate pair, as a client writes when it cuts an emoji in two, becomes
    U+FFFD, because neither UTF-8 nor the MCP server's reader has such a character.

    Raises BadMessageError.
    """
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        reason = (
            f"This message is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}). Send it as UTF-8."
        )
        raise BadMessageError(PARSE_ERROR, reason, _id_in(raw)) from error
    content = _parse(text)
    _check(content)
    try:
        text, content = without_halves(text, content)
    except RecursionError as error:
        raise BadMessageError(PARSE_ERROR, _NESTED) from error
    return text.encode(), cast("dict[str, Any]", content)


def error_line(request_id: object, code: int, message: str, data: Mapping[str, Any] | None = None) -> bytes:
    """The answer, without line ends, that refuses a request."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data:
        error["data"] = data
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode()


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise BadMessageError(PARSE_ERROR, _NESTED) from error
    except ValueError as error:
        raise BadMessageError(PARSE_ERROR, f"This message is not JSON: {error}.") from error


def _check(content: object) -> None:
    """Raises BadMessageError for JSON that is no message."""
    if isinstance(content, list):
        raise BadMessageError(INVALID_REQUEST, "Batches (JSON arrays) are not served. Send each message by itself.")
    if not isinstance(content, dict):
        raise BadMessageError(INVALID_REQUEST, "A message is a JSON object.")
    message = cast("dict[str, Any]", content)
    if "method" not in message and ("result" in message or "error" in message):
        return  # an answer, which is never answered itself, however wrong it is
    request_id = message.get("id")
    if "id" in message and not _is_id(request_id):
        raise BadMessageError(INVALID_REQUEST, "The `id` of a request must be text or a whole number.")
    if isinstance(request_id, str) and whole_characters(request_id) != request_id:
        raise BadMessageError(INVALID_REQUEST, "The `id` holds half a surrogate pair.", request_id)
    if not isinstance(message.get("method"), str):
        raise BadMessageError(INVALID_REQUEST, "`method` must name what is asked for.", request_id)
    if "id" not in message:
        return  # a notification, to which nothing may be said
    if message.get("jsonrpc") != "2.0":
        raise BadMessageError(INVALID_REQUEST, '`jsonrpc` must be "2.0".', request_id)
    if not isinstance(message.get("params", {}), dict | None):
        raise BadMessageError(INVALID_PARAMS, "`params` must be an object.", request_id)


def _id_in(raw: bytes) -> object:
    """The id in a message that is not UTF-8, so that whoever waits for its answer hears of it."""
    request_id = (object_in(raw.decode("utf-8-sig", errors="replace")) or {}).get("id")
    return request_id if _is_id(request_id) else None


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
