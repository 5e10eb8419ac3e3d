"""The host's endpoints in one ASGI application.

Endpoints are modules with a list `routes`. They find the desk at `request.app.state.desk`, the profiles of clients at
`request.app.state.profiles` and what seals thoughts at `request.app.state.seal`; the host's own routes find the host at
`request.app.state.host`. They raise WindowsAiError for whatever they cannot do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from codex_windows_ai.api.errors import error_response, shaped
from codex_windows_ai.api.routes import routes as api_routes
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.api.shared.profiles import ClientProfile
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.host import control, live_page, metrics, statistics, viewing
from codex_windows_ai.host.access import AccessControl
from codex_windows_ai.host.activity import ActivityMiddleware
from codex_windows_ai.host.host import Host
from codex_windows_ai.host.limits import WholeBody
from codex_windows_ai.mcp.server import create_mcp
from codex_windows_ai.mcp.tool import Tool
from codex_windows_ai.protocol.wire_errors import fault_of

_MOST_MCP_BYTES = 2 * 1024 * 1024


def create_app(host: Host, *, mcp_tools: Sequence[Tool] = (), profiles: Sequence[ClientProfile] = ()) -> Starlette:
    """All endpoints of `host`; its model begins to load with the application's lifespan, and is unloaded at its end.

    `mcp_tools` and `profiles` come from higher layers: tools besides those that the MCP endpoint has, and clients that
    are served by rules of their own.
    """
    watching = viewing.Viewing()
    mcp = create_mcp(host.models.runtime, loading=host.models.loading, agent_of=agent_of, extra_tools=mcp_tools)
    for route in mcp.routes:  # the MCP library reads a message in one go, in which nobody else is served
        route.app = WholeBody(route.app, _MOST_MCP_BYTES)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        host.models.start()
        try:
            async with mcp.lifespan():
                yield
        finally:
            await host.close()

    app = Starlette(
        routes=[*_routes(), *mcp.routes],
        lifespan=lifespan,
        middleware=[
            Middleware(
                AccessControl,
                token=host.token,
                may_view=watching.allows,
                allowed_hosts=host.allowed_hosts,
                origins=host.origins,
                open_loopback=host.open_loopback,
            ),
            Middleware(WholeBody),
            Middleware(ActivityMiddleware, host=host),
        ],
        exception_handlers={WindowsAiError: _refuse, HTTPException: _refuse_http, Exception: _report_fault},
    )
    app.state.host = host
    app.state.desk = host.desk
    app.state.profiles = tuple(profiles)
    app.state.seal = ReasoningSeal.of_host(host.token)
    app.state.viewing = watching
    app.state.occupancy = statistics.RecentOccupancy()
    app.state.mcp = mcp
    return app


def _routes() -> list[BaseRoute]:
    looking = [*metrics.routes, *statistics.routes, *viewing.routes, *live_page.routes]
    return [*control.routes, *looking, *api_routes]


_ENDPOINTS = ("/v1/", "/mcp")
"""Where programs ask; other paths are the host's own."""


async def _refuse(request: Request, error: Exception) -> Response:
    return error_response(cast("WindowsAiError", error), request.scope)


async def _refuse_http(request: Request, error: Exception) -> Response:
    """An unknown path or a wrong method, in the shape of every other error."""
    refusal = cast("HTTPException", error)
    reason = f"{HTTPStatus(refusal.status_code).phrase}: {request.method} {request.url.path}."
    if refusal.status_code == HTTPStatus.NOT_FOUND:
        paths = (route.path.partition("/{")[0] for route in request.app.routes if isinstance(route, Route))
        endpoints = ", ".join(dict.fromkeys(path for path in paths if path.startswith(_ENDPOINTS)))
        reason += f" This host speaks OpenAI's and Anthropic's APIs and MCP: {endpoints}."
    codes: dict[int, str] = {HTTPStatus.NOT_FOUND: "unknown_url", HTTPStatus.METHOD_NOT_ALLOWED: "method_not_supported"}
    code = codes.get(refusal.status_code)
    body = {"error": {"message": reason, "type": "invalid_request_error", "param": None, "code": code}}
    shape = shaped(body, refusal.status_code, request.scope)
    return JSONResponse(shape, status_code=refusal.status_code, headers=refusal.headers)


async def _report_fault(request: Request, error: Exception) -> Response:
    """A fault of ours; what it says stays in the log."""
    fault, host = fault_of(error), cast("Host", request.app.state.host)
    # This answer passes no middleware any more.
    headers = host.origins.headers(request.headers.get("origin"))
    response = error_response(fault, request.scope)
    response.headers.update(headers)
    return response
