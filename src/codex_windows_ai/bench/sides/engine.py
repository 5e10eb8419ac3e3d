"""The engine under test: one process for all agents, driven through a pipe."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from codex_windows_ai.bench.context import Bench
from codex_windows_ai.bench.process import Worker

MODULE = "codex_windows_ai.bench.workers.engine"


@asynccontextmanager
async def engine(bench: Bench, **configuration: Any) -> AsyncGenerator[Worker]:
    """The engine's process, with the model loaded; keyword arguments are fields of `EngineConfiguration`.

    Raises EngineError: it did not start.
    """
    options = json.dumps({"threads": bench.threads, **configuration})
    with Worker("engine", bench.children, MODULE, str(bench.folder.path), options) as worker:
        await worker.wait_until_ready()
        yield worker
