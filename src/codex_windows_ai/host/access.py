"""Who may talk to the host: programs of this user that have its token, and no web page."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.api.shared.errors import error_response
from codex_windows_ai.errors import AccessError, AuthenticationError, ForeignOriginError
from codex_windows_ai.host import live_page, statistics, viewing

OPEN_PATHS = frozenset({"/health", viewing.TOKENS_PATH}) | live_page.paths
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class AccessControl:
    """Refuses foreign Host and Origin headers (DNS rebinding), then requests without the bearer token.

    A browser sends its page's origin and the name it resolved; a page of another site gives itself away by either,
    even when its name was made to resolve to this machine. `may_view` knows the tokens that read the statistics only.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        may_view: Callable[[bytes], bool],
        allowed_hosts: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._may_view = may_view
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
        bearer = given.strip().encode() if scheme.lower() == "bearer" else b""
        if scope["path"] == statistics.PATH and self._may_view(bearer):
            return
        if not hmac.compare_digest(bearer, self._token):
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
