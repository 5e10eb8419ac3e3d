"""Workload `soak`: random arrivals, cancellations and evictions; nothing may grow, fail or stay behind."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target
from codex_windows_ai.bench.process import Worker
from codex_windows_ai.bench.sides.ours import engine
from codex_windows_ai.bench.sides.side import Prompt
from codex_windows_ai.bench.workloads.text import Text
from codex_windows_ai.errors import EngineError

NAME = "soak"
ENGINE = "ours"


@dataclass(frozen=True, slots=True)
class SoakSize:
    """Lengths are in tokens, pauses in seconds; what is drawn is drawn evenly up to the number given.

    The cache holds a part of what the agents share, so that something is always evicted.
    """

    agents: int = 8
    prefixes: int = 12
    prefix: int = 300
    own: int = 200
    output: int = 48
    cancelled_share: float = 0.25
    pause: float = 0.5
    cache_bytes: int = 64 * 1024**2


@dataclass
class _Log:
    """How one agent's requests ended."""

    replies: Counter[str] = field(default_factory=Counter[str])
    errors: list[str] = field(default_factory=list[str])


async def run(bench: Bench, size: SoakSize | None = None) -> Outcome:
    """Runs for `bench.minutes`, after a warm-up at full load that is not counted."""
    size = size or SoakSize()
    async with engine(bench, cache_bytes=size.cache_bytes) as side:
        await _fill(bench, side, size)
        over = asyncio.Event()
        agents = [asyncio.create_task(_live(bench, side, size, agent, over)) for agent in range(size.agents)]
        try:
            memory = await _watch(bench, side, agents)
        finally:
            over.set()
        logs = await asyncio.gather(*agents)
        statistics = await side.statistics()
    return _outcome(logs, memory, statistics, bench.minutes)


def _prompt(bench: Bench, size: SoakSize, choose: random.Random) -> list[int]:
    number = choose.randrange(size.prefixes)
    shared = Text(bench.tokenizer, f"prefix {number}").tokens(size.prefix, f"Prefix {number}.")
    return shared + Text(bench.tokenizer, f"own {choose.random()}").tokens(choose.randrange(1, size.own + 1))


async def _fill(bench: Bench, side: Worker, size: SoakSize) -> None:
    """The longest requests, all agents at once, over all prefixes: buffers and cache reach their full size."""
    at_once = asyncio.Semaphore(size.agents)

    async def ask(number: int) -> None:
        shared = Text(bench.tokenizer, f"prefix {number}").tokens(size.prefix, f"Prefix {number}.")
        own = Text(bench.tokenizer, f"warm-up {number}").tokens(size.own)
        async with at_once:
            await side.ask(number % size.agents, Prompt(shared + own, size.output))

    bench.progress(f"{NAME}: warm-up", 0, 0)
    await asyncio.gather(*(ask(number) for number in range(max(size.prefixes, size.agents))))


async def _live(bench: Bench, side: Worker, size: SoakSize, agent: int, over: asyncio.Event) -> _Log:
    """One agent: asks, gives up on some answers, pauses, asks again."""
    log = _Log()
    choose = random.Random(f"soak, agent {agent}")  # noqa: S311  # text, not secrets
    while not over.is_set():
        prompt = _prompt(bench, size, choose)
        try:
            running = side.start(str(agent), Prompt(prompt, choose.randrange(1, size.output + 1)))
            if choose.random() < size.cancelled_share:
                await _pause(over, choose.uniform(0, size.pause))
                running.cancel()
            log.replies[(await running.result()).finish_reason] += 1
        except EngineError as error:
            log.errors.append(error.message)
            break  # one error fails the soak; going on could only fill the list
        await _pause(over, choose.uniform(0, size.pause))
    return log


async def _pause(over: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)


async def _watch(bench: Bench, side: Worker, agents: Sequence[asyncio.Task[_Log]]) -> list[int]:
    """Memory over time, until the time is over or no agent is left."""
    begin = time.perf_counter()
    seconds = 60 * bench.minutes
    interval = min(5.0, seconds / 40)
    memory = [await asyncio.to_thread(side.memory_bytes)]
    while (elapsed := time.perf_counter() - begin) < seconds and not all(agent.done() for agent in agents):
        bench.progress(f"{NAME}: {bench.minutes:g} minutes", int(elapsed), int(seconds))
        await asyncio.wait(agents, timeout=interval)
        memory.append(await asyncio.to_thread(side.memory_bytes))
    return memory


def _outcome(logs: Sequence[_Log], memory: Sequence[int], statistics: dict[str, Any], minutes: float) -> Outcome:
    replies = sum((log.replies for log in logs), Counter[str]())
    errors = [error for log in logs for error in log.errors]
    quarter = max(1, len(memory) // 4)
    begin, end = median(memory[:quarter]), median(memory[-quarter:])
    left = statistics["running"] + statistics["waiting"] + statistics["references"]
    figures = {
        "memory_bytes_first_quarter": begin,
        "memory_bytes_last_quarter": end,
        "memory_bytes_peak": max(memory),
        "requests_finished": replies["length"],
        "requests_cancelled": replies["cancelled"],
        "errors": len(errors),
        "evictions": statistics["cache_evictions"],
        "cached_share": statistics["cached_tokens"] / max(1, statistics["input_tokens"]),
        "left_behind": left,
    }
    growth = Spread((end / begin,))
    return Outcome(
        NAME,
        (Result(ENGINE, f"{minutes:g} minutes", {name: Spread((float(value),)) for name, value in figures.items()}),),
        (),
        (
            Target("memory, last quarter / first quarter", growth, "<=", 1.05),
            Target("errors", Spread((float(len(errors)),)), "<=", 0),
            Target("requests or cache references left behind", Spread((float(left),)), "<=", 0),
        ),
        memory_ratio=growth,
        notes=(
            "The baseline is the start of the same run.",
            *(f"Error: {message}" for message in errors[:3]),
        ),
    )
