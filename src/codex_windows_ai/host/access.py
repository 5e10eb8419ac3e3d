"""Who may talk to the host: programs of this user that have its token, and no web page that is not listed."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.api.errors import error_response
from codex_windows_ai.errors import AccessError, AuthenticationError, ForeignOriginError
from codex_windows_ai.host import live_page, statistics, viewing
from codex_windows_ai.host.listener import is_loopback
from codex_windows_ai.host.origins import AllowedOrigins, is_preflight, preflight_answer

OPEN_PATHS = frozenset({"/health", viewing.TOKENS_PATH}) | live_page.paths
DISCOVERY = ("/.well-known/", "/mcp/.well-known/")
"""Below these clients ask how to log in, without a token: they must hear that there is nothing (404)."""

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
API = "/v1/"
"""What needs no token where loopback is open: asking a model, and nothing that ends the host or runs commands."""

_KEY_HEADER = "x-api-key"
"""Where Anthropic's clients show the token."""

_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?", re.IGNORECASE)
_WEB_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class AccessControl:
    """Refuses foreign Host and Origin headers (DNS rebinding), then requests without the bearer token.

    A browser sends its page's origin and the name it resolved; a page of another site gives itself away by either,
    even when its name was made to resolve to this machine. `may_view` knows the tokens that read the statistics only.
    With `open_loopback` programs of this machine need no token to ask a model; a page needs one unless it is listed.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        may_view: Callable[[bytes], bool],
        allowed_hosts: tuple[str, ...] = (),
        origins: AllowedOrigins | None = None,
        *,
        open_loopback: bool = False,
    ) -> None:
        self._app = app
        self._may_view = may_view
        self._token = token.encode() if token is not None else None
        self._names = LOOPBACK_NAMES | {name.lower() for name in allowed_hosts}
        self._origins = origins or AllowedOrigins(())
        self._open_loopback = open_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        send = self._origins.answering(send, headers.get("origin"))
        try:
            self._check_names(scope, headers)
            if is_preflight(scope["method"], headers):
                await preflight_answer(headers)(scope, receive, send)
                return
            self._check_token(scope, headers)
        except AccessError as error:
            await error_response(error, scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_names(self, scope: Scope, headers: Headers) -> None:
        for host in headers.getlist("host"):
            if _name_in(host) not in self._names:
                raise ForeignOriginError(
                    f"The Host header `{host}` is not of this host.",
                    hint="Call the host by the address that `cwai status` shows, or list the name in the setting "
                    "`allowed_hosts`.",
                )
        for origin in headers.getlist("origin"):
            if self._origins.allow(origin):
                continue
            # A page of this machine's that is not listed has no way to send the token: its preflight ends here.
            if _name_of_origin(origin) not in self._names or is_preflight(scope["method"], headers):
                raise ForeignOriginError(
                    f"The Origin header `{origin}` is not of this host.",
                    hint="If you trust that page or program, list its origin in the setting `allowed_origins`.",
                )

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        path = scope["path"]
        if self._token is None or path in OPEN_PATHS or path.startswith(DISCOVERY):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        bearer = given.strip().encode() if scheme.lower() == "bearer" else b""
        if path == statistics.PATH and self._may_view(bearer):
            return
        key = headers.get(_KEY_HEADER, "")
        if any(hmac.compare_digest(shown, self._token) for shown in (bearer, key.strip().encode())):
            return
        if self._open_loopback and path.startswith(API) and self._is_program_here(scope, headers):
            return
        raise AuthenticationError(
            "The bearer token is missing." if not (given or key) else "The bearer token is not this host's.",
            hint="Send the content of the file that `cwai status` names as `token_file`: "
            "`Authorization: Bearer TOKEN`, or as `x-api-key` (for clients of OpenAI and Anthropic: the API key).",
        )

    def _is_program_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether a program of this machine asks for itself: not for others, as a proxy does, nor for a page."""
        if not scope.get("client") or not is_loopback(scope["client"][0]):
            return False
        if any(name in headers for name in _FORWARDING):
            return False
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if any(_name_in(host) not in LOOPBACK_NAMES for host in hosts):
            return False
        if origins:
            return all(self._origins.allow(origin) for origin in origins)
        # Browsers leave the origin out where a page only loads something; they say by this that it was a page.
        return headers.get("sec-fetch-site", "none") == "none"


def _name_in(authority: str) -> str | None:
    """The name in a Host header (`name:port`); None if it is anything else."""
    found = _AUTHORITY.fullmatch(authority)
    return (found[1] or found[2]).lower() if found else None


def _name_of_origin(origin: str) -> str | None:
    """The name in the Origin of a web page (`scheme://name:port`); None if it is anything else."""
    scheme = _WEB_SCHEME.match(origin)
    return _name_in(origin[scheme.end() :]) if scheme else None
