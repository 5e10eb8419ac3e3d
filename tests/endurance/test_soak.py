"""A host under six agents that ask, leave and cancel: nothing fails, nothing grows, nothing stays behind.

`ENDURANCE_MINUTES=20 pytest -s tests/endurance/test_soak.py` prints the figures as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self

import httpx2
import psutil
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from codex_windows_ai.settings import DEFAULT_MODEL
from tests.endurance.lengths import PATIENCE_SECONDS, SOAK_MINUTES
from tests.served import PATIENCE, ServedHost, make_home, serving

MODEL = DEFAULT_MODEL
AGENTS = 6
PREFIXES = 8
LONGEST_OUTPUT = 24
LONG_MINUTES = 10
"""From here on memory has to be flat; before, buffers still reach their full size."""
POOL_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""Those of asyncio's pool, which come as they are needed and stay; which of them there are already is chance."""
GROWTH = 1.03 if SOAK_MINUTES >= LONG_MINUTES else 1.3


@dataclass(frozen=True)
class Weight:
    """What the host's process holds; `beyond` is its memory without the keys and values that it accounts for."""

    beyond: int
    descriptors: int
    threads: int


def weigh(process: psutil.Process, statistics: dict[str, Any]) -> Weight:
    engine = statistics["engine"]
    accounted = engine["prefix_cache"]["bytes"] + engine["shared_prefix"]["bytes"]
    return Weight(process.memory_info().rss - accounted, process.num_fds(), process.num_threads())


class Agent:
    """One agent: it does one thing after another, drawn by its own dice, until the time is over."""

    def __init__(self, number: int, http: httpx2.AsyncClient, mcp: Client) -> None:
        self._dice = random.Random(f"soak, agent {number}")
        self._http = http
        self._mcp = mcp
        self.done: Counter[str] = Counter()

    async def live(self, until: float) -> None:
        ways: tuple[Callable[[], Awaitable[None]], ...] = (
            self.ask, self.ask, self.stream, self.stream, self.leave, self.cancel, self.use_mcp,
        )  # fmt: skip
        while time.monotonic() < until:
            way = self._dice.choice(ways)
            await way()
            self.done[way.__name__] += 1

    def _question(self, *, stream: bool) -> tuple[str, dict[str, Any]]:
        """A question that shares its beginning with others, at one of the doors."""
        shared = f"Rule {self._dice.randrange(PREFIXES)}. " * 40
        text = f"{shared} Number {self._dice.random()}?"
        length = self._dice.randrange(1, LONGEST_OUTPUT + 1)
        if self._dice.random() < 0.5:
            return "/v1/responses", {"model": MODEL, "input": text, "max_output_tokens": length, "stream": stream}
        messages = [{"role": "user", "content": text}]
        body = {"model": MODEL, "messages": messages, "max_tokens": length, "stream": stream}
        return "/v1/chat/completions", body

    async def ask(self) -> None:
        path, body = self._question(stream=False)
        (await self._http.post(path, json=body)).raise_for_status()

    async def stream(self) -> None:
        path, body = self._question(stream=True)
        async with self._http.stream("POST", path, json=body) as answer:
            answer.raise_for_status()
            text = (await answer.aread()).decode()
        assert '"error":{' not in text.replace(" ", ""), text

    async def leave(self) -> None:
        """Goes in the middle of an answer, or before its first piece."""
        path, body = self._question(stream=True)
        pieces = self._dice.randrange(4)
        async with self._http.stream("POST", path, json=body) as answer:
            async for _ in answer.aiter_raw():
                pieces -= 1
                if pieces <= 0:
                    return

    async def cancel(self) -> None:
        """Ends an answer that it waits for."""
        path, body = self._question(stream=True)
        async with self._http.stream("POST", path, json=body) as answer:
            async for _ in answer.aiter_raw():
                await self._http.post("/cancel")

    async def use_mcp(self) -> None:
        arguments = {"prompt": f"Number {self._dice.random()}?", "max_output_tokens": LONGEST_OUTPUT}
        call = asyncio.create_task(self._mcp.call_tool("generate", arguments))
        if self._dice.random() < 0.5:
            await asyncio.wait([call], timeout=self._dice.random())
            call.cancel()
        with suppress(asyncio.CancelledError):
            await call


class Soak:
    """A host that is watched from outside while agents use it; a context."""

    def __init__(self, host: ServedHost) -> None:
        self._host = host
        self._process = psutil.Process(host.process.pid)
        self._watcher = self._client("watcher")

    def _client(self, agent: str) -> httpx2.AsyncClient:
        headers = self._host.headers | {"session-id": agent}
        return httpx2.AsyncClient(base_url=self._host.url, headers=headers, timeout=PATIENCE * 5, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._watcher.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._watcher.aclose()

    async def statistics(self) -> dict[str, Any]:
        return (await self._watcher.get("/statistics")).raise_for_status().json()

    async def weight(self) -> Weight:
        return weigh(self._process, await self.statistics())

    async def agents(self, seconds: float) -> Counter[str]:
        """New agents from beginning to end, and how often they did what; all that they opened is closed."""
        until = time.monotonic() + seconds
        async with AsyncExitStack() as stack:
            living: list[Agent] = []
            for number in range(AGENTS):
                http = await stack.enter_async_context(self._client(f"agent {number}"))
                door = streamable_http_client(f"{self._host.url}/mcp", http_client=http)
                living.append(Agent(number, http, await stack.enter_async_context(Client(door))))
            ended = await asyncio.gather(*(agent.live(until) for agent in living), return_exceptions=True)
        if failure := next((one for one in ended if one is not None), None):
            raise failure
        return sum((agent.done for agent in living), Counter[str]())

    async def weights(self, work: asyncio.Task[Any], interval: float) -> list[Weight]:
        """The weights while that goes on."""
        weights: list[Weight] = []
        while not work.done():
            await asyncio.wait([work], timeout=interval)
            weights.append(await self.weight())
        return weights

    async def weight_at_rest(self, like: Weight | None = None) -> Weight:
        """The weight once nothing runs, and no more is open than there was; else what it is when patience ends."""
        deadline = time.monotonic() + PATIENCE
        while True:
            figures = await self.statistics()
            weight = weigh(self._process, figures)
            quiet = figures["engine"]["requests"]["running"] == figures["engine"]["requests"]["waiting"] == 0
            back = like is None or (
                weight.descriptors <= like.descriptors and weight.threads <= like.threads + POOL_THREADS
            )
            if (quiet and back) or time.monotonic() > deadline:
                return weight


async def run(host: ServedHost) -> dict[str, Any]:
    """The figures of a soak, after a warm-up in which buffers and threads reach their full number."""
    async with Soak(host) as soak:
        await soak.agents(min(60.0, 30 * SOAK_MINUTES))
        before = await soak.weight_at_rest()
        work = asyncio.create_task(soak.agents(60 * SOAK_MINUTES))
        weights = await soak.weights(work, max(0.2, SOAK_MINUTES * 60 / 100))
        after, statistics = await soak.weight_at_rest(before), await soak.statistics()
    quarter = max(1, len(weights) // 4)
    first, last = (median(weight.beyond for weight in part) for part in (weights[:quarter], weights[-quarter:]))
    return {
        "minutes": SOAK_MINUTES,
        "done": dict(work.result()),
        "memory_beyond_the_cache": {"first_quarter": first, "last_quarter": last, "at_rest": after.beyond},
        "prefix_cache_bytes": statistics["engine"]["prefix_cache"]["bytes"],
        "descriptors": {"before": before.descriptors, "after": after.descriptors},
        "threads": {"before": before.threads, "after": after.threads},
        "requests": statistics["engine"]["requests"],
    }


@pytest.mark.timeout(PATIENCE_SECONDS)
def test_nothing_grows_and_nothing_stays_behind(default_model: Path, tmp_path: Path) -> None:
    with serving(make_home(tmp_path / "home", default_model)) as host:
        httpx2.get(f"{host.url}/v1/models", headers=host.headers, timeout=PATIENCE).raise_for_status()
        report = asyncio.run(run(host))
        host.process.terminate()
        log = host.process.communicate(timeout=PATIENCE)[1]

    print(json.dumps(report))
    memory, requests = report["memory_beyond_the_cache"], report["requests"]
    assert memory["last_quarter"] <= GROWTH * memory["first_quarter"], report
    assert report["descriptors"]["after"] <= report["descriptors"]["before"], report
    assert report["threads"]["after"] <= report["threads"]["before"] + POOL_THREADS, report
    assert (requests["waiting"], requests["running"], requests["failed"]) == (0, 0, 0), report
    assert requests["finished"] > 0, report
    assert "Traceback" not in log, log
