"""Whether the host is there, is ready, what it does; and its end."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.api.shared.identity import PEER, agent_of, names_itself
from codex_windows_ai.discovery.proof import prove
from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.wire_errors import error_body
from codex_windows_ai.version import release

_LONGEST_CHALLENGE = 128


async def health(request: Request) -> JSONResponse:
    """The process is alive. With `?challenge=TEXT` it proves that it is the host whose token one has."""
    host: Host = request.app.state.host
    body: dict[str, Any] = {"status": "ok"}
    if (challenge := request.query_params.get("challenge")) and host.token is not None:
        body["proof"] = prove(host.token, challenge[:_LONGEST_CHALLENGE])
    return JSONResponse(body)


async def ready(request: Request) -> JSONResponse:
    """200 once requests are answered at once; 503 with stage and progress, or with the error, before."""
    host: Host = request.app.state.host
    return JSONResponse(readiness(host), status_code=200 if host.state == "ready" else 503)


async def load(request: Request) -> JSONResponse:
    """Begins to load the model again if it could not be loaded; see `/ready` for how it goes."""
    host: Host = request.app.state.host
    host.models.start()
    return JSONResponse(readiness(host))


async def status(request: Request) -> JSONResponse:
    """What `cwai status` shows; a host that is older than the kernel driver finds it now at the latest."""
    host: Host = request.app.state.host
    await host.look_for_driver()
    return JSONResponse(describe(host))


async def shutdown(request: Request) -> JSONResponse:
    """Begins to end the host: what runs may finish for a moment, then it is cancelled."""
    host: Host = request.app.state.host
    if host.stop is None:
        raise NotAvailableError("This host runs inside another program, which ends it.")
    host.stop()
    return JSONResponse({"status": "stopping", "active_requests": host.activity.active_requests})


async def cancel(request: Request) -> JSONResponse:
    """Ends the answers that the calling agent waits for: each ends as one that was cut off, with all its figures.

    Without a session's name that is the calling process. Who is known by its machine only cancels nothing: the
    answers could be those of another program there.
    """
    host: Host = request.app.state.host
    await host.peers.name(request.scope)
    if not (names_itself(request.scope) or PEER in request.scope):
        raise InvalidRequestError(
            "Nobody knows whose answers to cancel.",
            hint="Send the header `session-id` with the requests and with this one.",
        )
    return JSONResponse({"cancelled": host.desk.cancel(agent_of(request))})


def describe(host: Host) -> dict[str, Any]:
    """The host's state and figures; `queue` and `memory` are null until the engine is loaded."""
    figures, activity = host.desk.statistics(), host.activity
    return {
        **readiness(host),
        "version": release(),
        "pid": os.getpid(),
        "uptime_seconds": round(time.monotonic() - host.started_at, 1),
        "requests": activity.requests,
        "active_requests": activity.active_requests,
        "agents": activity.active_agents,
        "urls": list(host.reach.urls),
        "remarks": list(host.remarks),
        "channels": asdict(host.channels),
        "queue": figures
        and {
            "waiting": figures.waiting,
            "running": figures.running,
            "finished": figures.finished,
            "failed": figures.failed,
            "cancelled": figures.cancelled,
            "input_tokens": figures.input_tokens,
            "cached_tokens": figures.cached_tokens,
        },
        "memory": figures
        and {
            "bytes": figures.memory_bytes,
            "budget_bytes": figures.memory_bytes_budget,
            "weights_bytes": figures.weights_bytes,
            "scratch_bytes": figures.scratch_bytes,
            "slots_bytes": figures.row_bytes,
            "prefix_cache_bytes": figures.cache_bytes,
            "shared_prefix_bytes": figures.shared_bytes,
            **({"checkpoints_bytes": figures.checkpoint_bytes} if figures.checkpoint_bytes_budget else {}),
        },
    }


def readiness(host: Host) -> dict[str, Any]:
    """The host's state and models; while it loads `stage`, `done` and `total`, after a failure `error`."""
    loaded, loading, failure = host.models.loaded(), host.models.loading(), host.models.failure()
    body: dict[str, Any] = {"state": host.state, "models": [loaded.source.model] if loaded else []}
    if loading:
        body |= dict(zip(("stage", "done", "total"), loading, strict=True))
    if failure:
        body |= error_body(failure)
    return body


routes = [
    Route("/health", health),
    Route("/ready", ready),
    Route("/load", load, methods=["POST"]),
    Route("/status", status),
    Route("/cancel", cancel, methods=["POST"]),
    Route("/shutdown", shutdown, methods=["POST"]),
]
paths = frozenset(route.path for route in routes)
