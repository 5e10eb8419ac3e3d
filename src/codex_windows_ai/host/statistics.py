"""GET /statistics: what the host does now, for people who look: `cwai top` and the page at the host's root."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import psutil
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from codex_windows_ai.hardware.figures import MachineFigures
from codex_windows_ai.hardware.live import read_machine
from codex_windows_ai.host.control import readiness
from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.serving.agents import KEPT_SECONDS, RATE_SECONDS, AgentFigures
from codex_windows_ai.version import release

PATH = "/statistics"


class RecentOccupancy:
    """Batch occupancy over the last RATE_SECONDS, as far as somebody looked in that time; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int, int]] = deque()

    @property
    def looks(self) -> int:
        """How many looks are kept."""
        return len(self._seen)

    def note(self, figures: EngineStatistics) -> float | None:
        """Requests that a decode pass served since somebody looked before; None if there was no such pass, or look."""
        now = self._clock()
        while self._seen and now - self._seen[0][0] > RATE_SECONDS:
            self._seen.popleft()
        _, passes, rows = self._seen[0] if self._seen else (now, figures.decode_passes, figures.decode_rows)
        if not self._seen or now - self._seen[-1][0] >= 1:
            self._seen.append((now, figures.decode_passes, figures.decode_rows))
        new_passes = figures.decode_passes - passes
        return (figures.decode_rows - rows) / new_passes if new_passes > 0 else None


def describe_statistics(host: Host, machine: MachineFigures, occupancy: RecentOccupancy) -> dict[str, Any]:
    """The figures of a host; sizes in bytes, times in seconds. What is null is not known, or not yet."""
    engine, loaded = host.desk.statistics(), host.models.loaded()
    return {
        **readiness(host),
        "version": release(),
        "pid": os.getpid(),
        "uptime_seconds": round(time.monotonic() - host.started_at, 1),
        "active_requests": host.activity.active_requests,
        "answers": answered_by(loaded.source) if loaded else None,
        "tokens_per_second": round(host.agents.tokens_per_second, 1),
        "rate_seconds": RATE_SECONDS,
        "engine": _engine(engine, occupancy.note(engine)) if engine else None,
        "agents": [_agent(agent) for agent in host.agents.figures()],
        "agents_seconds": KEPT_SECONDS,
        "devices": asdict(machine),
        "host_memory_bytes": psutil.Process().memory_info().rss,
    }


def _engine(figures: EngineStatistics, recent_occupancy: float | None) -> dict[str, Any]:
    occupancy = {
        "recent": None if recent_occupancy is None else round(recent_occupancy, 2),
        "mean": round(figures.batch_occupancy, 2),
    }
    return {**figures.by_place(), "batch_occupancy": occupancy}


def _agent(figures: AgentFigures) -> dict[str, Any]:
    return {
        "name": figures.name,
        "requests": {
            "waiting": figures.waiting,
            "running": figures.running,
            "finished": figures.finished,
            "failed": figures.failed,
            "cancelled": figures.cancelled,
        },
        "tokens": {
            "input": figures.input_tokens,
            "cached": figures.cached_tokens,
            "output": figures.output_tokens,
            "cached_share": None if figures.cached_share is None else round(figures.cached_share, 4),
        },
        "tokens_per_second": round(figures.tokens_per_second, 1),
        "idle_seconds": round(figures.idle_seconds, 1),
    }


async def statistics(request: Request) -> JSONResponse:
    """The figures now."""
    host: Host = request.app.state.host
    machine = await asyncio.to_thread(read_machine)
    return JSONResponse(describe_statistics(host, machine, request.app.state.occupancy))


routes = [Route(PATH, statistics)]
paths = frozenset({PATH})
