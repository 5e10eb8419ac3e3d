"""Web pages and desktop programs' web views that may call the host: the setting `allowed_origins`, and CORS for them.

Protocol: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

_METHODS = "GET, POST, DELETE"
_PREFLIGHT_SECONDS = "600"
_ANYTHING = r"[a-z0-9._-]+"


class AllowedOrigins:
    """The origins that are listed; a `*` stands for a whole name, or for a port. No page but theirs gets an answer."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._patterns = [
            re.compile(re.escape(origin).replace(re.escape("*"), _ANYTHING), re.IGNORECASE) for origin in listed
        ]

    def allow(self, origin: str) -> bool:
        """Whether an Origin header is one of a page that is listed."""
        return any(pattern.fullmatch(origin) for pattern in self._patterns)

    def headers(self, origin: str | None) -> dict[str, str]:
        """What an answer to this origin must say, so that a browser shows it to the page; nothing to any other."""
        if origin is None or not self.allow(origin):
            return {}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": "*", "vary": "Origin"}

    def answering(self, send: Send, origin: str | None) -> Send:
        """`send`, which says so in every answer."""
        headers = self.headers(origin)
        if not headers:
            return send

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        return with_headers


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks beforehand what a page may send; it never has a token."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_answer(headers: Headers) -> Response:
    """The answer to a page that is listed: whatever it asks for, to any endpoint."""
    allowed = {
        "access-control-allow-methods": _METHODS,
        "access-control-allow-headers": headers.get("access-control-request-headers", "*"),
        "access-control-max-age": _PREFLIGHT_SECONDS,
    }
    if "access-control-request-private-network" in headers:
        allowed["access-control-allow-private-network"] = "true"
    return Response(status_code=204, headers=allowed)
