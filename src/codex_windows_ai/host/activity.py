"""Which agents have requests that run: what idle stop, status and a clean end go by."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from codex_windows_ai.host.control import paths
from codex_windows_ai.host.identity import agent_of
from codex_windows_ai.host.state import Host


class Activity:
    """Counts every request to a door while it runs; looking at the host is no activity."""

    def __init__(self, app: ASGIApp, host: Host) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["path"] in paths or scope["path"] == "/metrics":
            await self._app(scope, receive, send)
            return
        with self._host.serving(agent_of(HTTPConnection(scope))):
            await self._app(scope, receive, send)
