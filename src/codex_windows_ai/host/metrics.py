"""GET /metrics: the host's figures for Prometheus."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.host.host import Host


async def metrics(request: Request) -> Response:
    """The figures, in Prometheus' text format or as OpenMetrics."""
    host: Host = request.app.state.host
    content, media_type = host.metrics.encode(request.headers.get("accept", ""))
    return Response(content, headers={"content-type": media_type})


routes = [Route("/metrics", metrics)]
paths = frozenset(route.path for route in routes)
