"""Counts the requests that run: what idle stop, status and a clean end go by."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_windows_ai.api.errors import error_response
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.host import control, live_page, metrics, statistics, viewing
from codex_windows_ai.host.access import DISCOVERY
from codex_windows_ai.host.host import Host
from codex_windows_ai.serving.models import stopping_error

_LOOKING = control.paths | live_page.paths | metrics.paths | statistics.paths | viewing.paths


class ActivityMiddleware:
    """Counts every request to an endpoint while it runs; looking at the host is no activity."""

    def __init__(self, app: ASGIApp, host: Host) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["path"] in _LOOKING or scope["path"].startswith(DISCOVERY):
            await self._app(scope, receive, send)
            return
        if self._host.stopping.is_set():
            await error_response(stopping_error(), scope)(scope, receive, send)
            return
        await self._host.peers.name(scope)
        # A GET that stays open waits for news and takes no part in the grace that answers get at the end.
        receive = self._until_the_end(receive) if scope["method"] == "GET" else receive
        with self._host.desk.serving(agent_of(HTTPConnection(scope))):
            await self._app(scope, receive, send)

    def _until_the_end(self, receive: Receive) -> Receive:
        """Tells a listener that its client left as soon as the host begins to end."""

        async def receive_or_end() -> Message:
            message = asyncio.ensure_future(receive())
            ending = asyncio.ensure_future(self._host.stopping.wait())
            try:
                await asyncio.wait({message, ending}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()
                ending.cancel()

        return receive_or_end
