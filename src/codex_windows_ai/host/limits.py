"""How large a request may be; header sizes are limited by uvicorn itself."""

from __future__ import annotations

import contextlib

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_windows_ai.api.shared.errors import error_response
from codex_windows_ai.errors import RequestTooLargeError

MOST_BODY_BYTES = 16 * 1024 * 1024
"""Far more text than any window holds, with room for the images that some clients send along."""


class BodyLimit:
    """Refuses a body that is too large, also one that does not say its size beforehand."""

    def __init__(self, app: ASGIApp, limit: int = MOST_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._limit:
            await error_response(self._error())(scope, receive, send)
            return
        received, started = 0, False

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._error()
            return message

        async def watch(message: Message) -> None:
            nonlocal started
            # A door may have made an answer of its own out of the error that it got for the body.
            if received <= self._limit:
                started = True
                await send(message)

        with contextlib.suppress(RequestTooLargeError):
            await self._app(scope, count, watch)
        if received > self._limit and not started:
            await error_response(self._error())(scope, receive, send)

    def _error(self) -> RequestTooLargeError:
        return RequestTooLargeError(
            f"The request's body is larger than {self._limit} bytes.",
            hint="Send less: a prompt of that size fits no model here.",
        )
