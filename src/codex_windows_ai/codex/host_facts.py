"""What Codex has to be told of the host: its address, its token, its models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from codex_windows_ai.client.http import HostClient
from codex_windows_ai.client.starter import ensure_host
from codex_windows_ai.codex.catalogue import ModelInfo, models_in
from codex_windows_ai.discovery.record import HostRecord, read_record
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.settings import Settings

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The host's address (`http://127.0.0.1:PORT`) and its entries for Codex's catalogue."""

    url: str
    models: Sequence[ModelInfo]


async def ask_host(settings: Settings | None = None, *, progress: Progress | None = None) -> HostFacts:
    """The facts of the host, started where none runs, once its model is loaded. Raises as `ensure_host` does."""
    record = await ensure_host(settings, progress=progress)
    async with HostClient(record) as client:
        await client.authenticate()
        return HostFacts(record.url, models_in(await client.get("/v1/models")))


async def host_token() -> str:
    """The token of the host, started where none runs, once it listens; its model may still be loading.

    Codex gives the command that asks this ten seconds, which many a model needs longer than.

    Raises HostStartError: it cannot start. StorageError: a file of the host cannot be read.
    """
    record = read_record() or await _started()
    return record.read_token()


async def _started() -> HostRecord:
    search = asyncio.create_task(ensure_host())
    try:
        while not search.done():
            if record := read_record():
                return record
            await asyncio.sleep(_POLL_SECONDS)
        return search.result()
    finally:
        search.cancel()  # the host is a process of its own and goes on
