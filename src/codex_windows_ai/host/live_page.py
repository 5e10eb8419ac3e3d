"""GET /: the live view for a browser, from files in this package.

Everybody may have the page; its figures need a token. A policy forbids the page whatever it does not
need: all that it loads and asks is this host.
"""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILES = {
    "/": ("page.html", "text/html"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


async def page(request: Request) -> Response:
    """The page, or a file that it consists of."""
    name, media_type = _FILES[request.url.path]
    content = files("codex_windows_ai.host").joinpath("page", name).read_bytes()
    return Response(content, media_type=media_type, headers=_HEADERS)


routes = [Route(path, page) for path in _FILES]
paths = frozenset(_FILES)
