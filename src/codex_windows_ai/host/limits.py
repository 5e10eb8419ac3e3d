"""How large a request's body may be and how long it may take; its headers are limited by `connections.py`."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.api.errors import error_response
from codex_windows_ai.api.shared.body import read_already
from codex_windows_ai.errors import RequestTimeoutError, RequestTooLargeError, WindowsAiError

MOST_BODY_BYTES = 16 * 1024 * 1024
"""Far more text than any window holds, with room for the images that some clients send along."""

SILENCE_SECONDS = 15.0
"""How long a client may send nothing of a body that it has begun."""

BODY_SECONDS = 120.0
"""How long a body may take in all: as much as the largest takes over a slow network."""


class WholeBody:
    """Hands a request on once its body is whole, so that nothing else waits for half of one, or works for it.

    A body that is too large is refused, also when it does not say its size; so is one that comes too slowly.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: int = MOST_BODY_BYTES,
        silence_seconds: float = SILENCE_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._limit = limit
        self._silence_seconds = silence_seconds
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or refuses it; a client that leaves before its body is whole gets no answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except WindowsAiError as error:
            await error_response(error, scope)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, read_already(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None if the client left. Raises RequestTooLargeError, RequestTimeoutError."""
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._limit:
            raise self._too_large()
        body, clock = bytearray(), asyncio.get_running_loop().time
        latest = clock() + self._body_seconds
        try:
            async with asyncio.timeout(self._silence_seconds) as patience:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > self._limit:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
                    patience.reschedule(min(latest, clock() + self._silence_seconds))
        except TimeoutError as error:
            raise RequestTimeoutError(
                f"The request's body did not come: {len(body)} bytes of it are here.",
                hint=f"Send it without a pause of {self._silence_seconds:g} s, and within {self._body_seconds:g} s.",
            ) from error

    def _too_large(self) -> RequestTooLargeError:
        return RequestTooLargeError(
            f"The request's body is larger than {self._limit} bytes.",
            hint="Send less: a prompt of that size fits no model here.",
        )
