"""What clients send, before the SDK sees it: its reader is strict, and where it is lenient somebody waits.

It takes a request with a bad id for a notification and never answers it. It loses the answer to a request whose id is
that of another one under way in the same session. It refuses a byte order mark and half a surrogate pair.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.api.shared.body import read_already
from codex_windows_ai.protocol.json_rpc import BadMessageError, error_line, read_message

_SESSION = "mcp-session-id"
_VERSION = "mcp-protocol-version"


class IncomingMessages:
    """Refuses what is no message, and hands on what is one as the SDK reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: dict[tuple[str, str], asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            text, message = read_message(await Request(scope, receive).body())
        except ClientDisconnect:
            return
        except BadMessageError as error:
            body = error_line(error.request_id, error.code, error.message)
            await Response(body, 400, media_type="application/json")(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        headers["content-type"] = (headers.get("content-type") or "application/json").lower()
        if message.get("method") == "initialize":
            del headers[_SESSION]  # it begins a session: one that the client kept over the host's end is of no use
        elif _is_early_ping(message, headers):
            answer = JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": {}})
            await answer(scope, receive, send)
            return
        async with self._turn(headers.get(_SESSION), message):
            await self._app(scope, read_already(text, receive), send)

    @contextlib.asynccontextmanager
    async def _turn(self, session: str | None, message: dict[str, Any]) -> AsyncGenerator[None]:
        """The time in which no other request of the session has the id of this one."""
        if session is None or "method" not in message or "id" not in message:
            yield
            return
        key = session, str(message["id"])  # the SDK does not tell 1 from "1" either
        while (other := self._running.get(key)) is not None:
            await other.wait()
        done = self._running[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._running[key]
            done.set()


def _is_early_ping(message: dict[str, Any], headers: MutableHeaders) -> bool:
    """Whether it is a ping of a client that has no session yet: the protocol lets it ask so early."""
    sessions = headers.get(_VERSION, HANDSHAKE_PROTOCOL_VERSIONS[-1]) in HANDSHAKE_PROTOCOL_VERSIONS
    return message.get("method") == "ping" and "id" in message and sessions and _SESSION not in headers
