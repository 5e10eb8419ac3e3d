"""What every workload is given, and how it runs a round: several agents ask a side at once, and what that took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psutil

from codex_windows_ai.bench.process import Children
from codex_windows_ai.bench.sides.peers import Peer
from codex_windows_ai.bench.sides.side import Question, Reply, Side
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.progress import Progress, silent

DEFAULT_REPEAT = 3
DEFAULT_MINUTES = 1.0
MEMORY_SECONDS = 1.0
"""How often memory is looked at."""

Reading = TypeVar("Reading")


@dataclass(frozen=True)
class Bench:
    """The model, how often and how long, and whom else to compare with.

    `repeat` None leaves the number of rounds to the workload. `minutes` is for the soak.
    `reference` is the GGUF file that the peers serve, too.
    """

    folder: ModelFolder
    children: Children = field(default_factory=Children)
    progress: Progress = silent
    repeat: int | None = None
    minutes: float = DEFAULT_MINUTES
    peers: tuple[Peer, ...] = ()
    reference: Path | None = None
    threads: int | None = None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer."""
        return Tokenizer(self.folder.tokenizer_file)

    def rounds(self, default: int = DEFAULT_REPEAT) -> int:
        """How many rounds to run."""
        return self.repeat or default

    def turns(self, workload: str, cases: Iterable[str], number: int, total: int) -> Iterator[str]:
        """The cases of round `number` of `total` in their turn; each is reported as it begins."""
        for case in in_turn(cases, number):
            self.progress(f"{workload}: {case}, round {number + 1} of {total}", 0, 0)
            yield case


def in_turn(cases: Iterable[str], number: int) -> list[str]:
    """The order in round `number`: noise that comes and goes hits all cases, and none always goes first."""
    names = list(cases)
    return names if number % 2 == 0 else names[::-1]


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
