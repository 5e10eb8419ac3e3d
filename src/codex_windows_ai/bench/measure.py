"""A round: several agents ask a side at once, and what that took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil

from codex_windows_ai.bench.sides.side import Question, Reply, Side

MEMORY_SECONDS = 1.0
"""How often memory is looked at."""

Reading = TypeVar("Reading")


@dataclass(frozen=True, slots=True)
class Round:
    """All replies, agent after agent; `seconds` from the first question to the last answer.

    `busy` is the share of all cores, 0 to 1; `memory_bytes` the most that the side used.
    """

    replies: tuple[Reply, ...]
    seconds: float
    busy: float
    memory_bytes: int


async def ask_at_once(side: Side[Question], agents: Iterable[Coroutine[Any, Any, list[Reply]]]) -> Round:
    """Lets all agents start at the same moment. Raises EngineError: a request failed."""
    async with sampled(side.memory_bytes, MEMORY_SECONDS) as memory:
        psutil.cpu_percent()
        began = time.perf_counter()
        results = await asyncio.gather(*agents)
        seconds = time.perf_counter() - began
        busy = psutil.cpu_percent() / 100
    memory.append(await asyncio.to_thread(side.memory_bytes))
    return Round(tuple(reply for of_agent in results for reply in of_agent), seconds, busy, max(memory))


@asynccontextmanager
async def sampled(read: Callable[[], Reading], interval: float) -> AsyncGenerator[list[Reading]]:
    """What `read`, called in a thread, tells before the context and again every `interval` seconds within it."""
    readings = [await asyncio.to_thread(read)]

    async def watch() -> None:
        while True:
            await asyncio.sleep(interval)
            readings.append(await asyncio.to_thread(read))

    task = asyncio.create_task(watch())
    try:
        yield readings
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
