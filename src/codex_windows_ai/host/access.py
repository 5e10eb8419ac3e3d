"""Who may talk to the host: programs of this user that have its token, and no web page."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.errors import AccessError, AuthenticationError, ForeignOriginError
from codex_windows_ai.host.error_shape import error_response

OPEN_PATHS = frozenset({"/health"})
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class AccessControl:
    """Refuses foreign Host and Origin headers (DNS rebinding), then requests without the bearer token.

    A browser sends its page's origin and the name it resolved; a page of another site gives itself away by either,
    even when its name was made to resolve to this machine.
    """

    def __init__(self, app: ASGIApp, token: str | None, allowed_hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._token = token.encode() if token is not None else None
        self._names = frozenset(name.lower() for name in (*LOOPBACK_NAMES, *allowed_hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except AccessError as error:
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        for header in ("host", "origin"):
            for value in headers.getlist(header):
                if _name_in(value) not in self._names:
                    raise ForeignOriginError(
                        f"The {header.title()} header `{value}` is not of this host.",
                        hint="Call the host by the address that `cwai status` shows.",
                    )
        if self._token is None or scope["path"] in OPEN_PATHS:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise AuthenticationError(
                "The bearer token is missing." if not given else "The bearer token is not this host's.",
                hint="Send the content of the file that `cwai status` names as `token_file`: "
                "`Authorization: Bearer TOKEN` (for OpenAI clients: as the API key).",
            )


def _name_in(value: str) -> str | None:
    """The host name in a Host header (`name:port`) or an Origin (`scheme://name:port`)."""
    try:
        return urlsplit(value if "://" in value else f"//{value}").hostname
    except ValueError:
        return None
