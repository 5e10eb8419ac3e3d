"""What a client is told of a message that the host refused by HTTP."""

from __future__ import annotations

import http.client

from codex_windows_ai.client.mcp.envelope import Envelope
from codex_windows_ai.protocol.json_rpc import INTERNAL_ERROR, error_line
from codex_windows_ai.protocol.json_values import as_object, object_in
from codex_windows_ai.protocol.wire_errors import error_from_body

_MEGABYTE = 1024 * 1024


def refusal_line(message: Envelope, status: int, body: bytes) -> bytes:
    """The JSON-RPC error that answers a request: the door's own, else the host's, else what the status means."""
    content = object_in(body) or {}
    own = as_object(content.get("error"))
    code = own.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        return error_line(message.id, code, str(own.get("message")), own.get("data"))
    if (fault := error_from_body(content)) is not None:
        data = {"code": code, "http_status": status}
        return error_line(message.id, fault.json_rpc_code, fault.message_and_hint, data)
    return error_line(message.id, INTERNAL_ERROR, _meaning(status, message), {"http_status": status})


def _meaning(status: int, message: Envelope) -> str:
    said = f"HTTP status {status}, {http.client.responses.get(status, 'which has no name')}"
    match status:
        case 401 | 403:
            return f"The host does not let this client in ({said}). `cwai status` shows which host runs."
        case 413:
            return f"The message has {len(message.line) / _MEGABYTE:.1f} MB and is too large for the host ({said})."
        case 429:
            return f"The host is busy ({said}). Try again later."
        case _ if status >= http.client.INTERNAL_SERVER_ERROR:
            return f"The host failed ({said}). Its log has the details."
        case _:
            return f"The host did not take the message ({said})."
