"""Workload `flood`: short requests while other programs send what no host can serve, against a quiet host.

Prompts of 15 MB, deep and dense JSON, thousands of messages, tools and properties: each is refused, or served as far as
that goes, and meanwhile nobody else may notice.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import threading
import time
import urllib.parse
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare, latency_figures, percentile
from codex_windows_ai.bench.process import LONGEST_SECONDS
from codex_windows_ai.bench.sides.ours import Host, running_host
from codex_windows_ai.bench.workloads.text import Text, decode
from codex_windows_ai.client.http import HostClient

NAME = "flood"
ENGINE, QUIET, FLOODED = "ours", "quiet host", "in the flood"
ROUNDS = 3
LONGEST_HEALTH_SECONDS = 0.05
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class FloodSize:
    """`requests` short ones a round; `senders` send the bodies, whose size `scale` divides, one after another."""

    requests: int = 30
    input: int = 20
    output: int = 8
    senders: int = 12
    scale: int = 1


def bodies(model: str, scale: int = 1) -> dict[str, bytes]:
    """What is sent, each by a name."""
    properties: dict[str, Any] = {f"p{number}": {"type": "string"} for number in range(5000 // scale)}
    followed = dict(itertools.islice(properties.items(), 2000 // scale))
    awkward = {**followed, "look_ahead": {"type": "string", "pattern": "^(?=a)"}}
    tool = {"name": "it", "parameters": {"type": "object", "properties": awkward}}
    form = {"name": "it", "schema": {"type": "object", "properties": properties}}
    small = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = [_function(f"t{number}", small) for number in range(10_000 // scale)]
    described: dict[str, dict[str, Any]] = {
        "a prompt of 15 MB": {"messages": [_user("word " * (3_000_000 // scale))]},
        "100,000 messages": {"messages": [_user("hi")] * (100_000 // scale)},
        "300,000 keys": {"messages": [_user("hi")], "metadata": {f"k{n}": "v" for n in range(300_000 // scale)}},
        "10,000 tools": {"messages": [_user("hi")], "tools": tools},
        "a tool of 2,000 properties": {"messages": [_user("hi")], "tools": [{"type": "function", "function": tool}]},
        "an answer of 5,000 properties": {
            "messages": [_user("hi")],
            "response_format": {"type": "json_schema", "json_schema": form},
        },
    }
    deep = b'{"messages": ' + b"[" * (7_000_000 // scale)
    return {
        name: json.dumps({"model": model, "max_tokens": 1, **body}).encode() for name, body in described.items()
    } | {"lists 7,000,000 deep": deep}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _function(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


async def run(bench: Bench, size: FloodSize | None = None) -> Outcome:
    """Short requests come one after another, from another agent than the flood; `/health` is asked all the time.

    Raises EngineError: a short request failed.
    """
    size = size or FloodSize()
    sent = bodies(bench.folder.name, size.scale)
    latencies: dict[str, list[list[float]]] = {QUIET: [], FLOODED: []}
    healths: dict[str, list[list[float]]] = {QUIET: [], FLOODED: []}
    answered: list[float] = []
    async with running_host(bench) as host, host.connect_http("short requests") as client:
        await _ask(bench, client, size, "warm-up")
        total = bench.rounds(ROUNDS)
        for number in range(total):
            for case in bench.turns(NAME, latencies, number, total):
                flood = _Flood(host, sent, size.senders if case == FLOODED else 0)
                async with flood.flowing(), _healths(host) as health:
                    seconds = [
                        await _ask(bench, client, size, f"{case} {number} {request}")
                        for request in range(size.requests)
                    ]
                latencies[case].append(seconds)
                healths[case].append(health)
                if case == FLOODED:
                    answered.append(float(flood.answered))
    return _outcome(latencies, healths, Spread(tuple(answered)))


async def _ask(bench: Bench, client: HostClient, size: FloodSize, seed: str) -> float:
    """Seconds until the whole answer to a short request."""
    text = decode(bench.tokenizer, Text(bench.tokenizer, seed).tokens(size.input, f"{seed}:"))
    asked = time.perf_counter()
    await client.post(
        "/v1/chat/completions",
        {"model": bench.folder.name, "messages": [_user(text)], "max_tokens": size.output},
    )
    return time.perf_counter() - asked


@asynccontextmanager
async def _healths(host: Host) -> AsyncGenerator[list[float]]:
    """How long each answer of `/health` takes meanwhile, in seconds."""
    seconds: list[float] = []

    async def look() -> None:
        async with host.connect_http() as client:
            while True:
                asked = time.perf_counter()
                await client.get("/health")
                seconds.append(time.perf_counter() - asked)
                await asyncio.sleep(_LOOK_SECONDS)

    task = asyncio.create_task(look())
    try:
        yield seconds
    finally:
        while not seconds and not task.done():
            await asyncio.sleep(_LOOK_SECONDS)
        task.cancel()
        await asyncio.wait([task])


class _Flood:
    """Programs that send one body after another, each over a connection of its own; threads, so as to disturb nobody.

    `answered` are those of their requests that were answered, with whatever status.
    """

    def __init__(self, host: Host, sent: Mapping[str, bytes], senders: int) -> None:
        self.answered = 0
        self._place = urllib.parse.urlsplit(host.record.url)
        self._token = host.record.read_token()
        self._sent = list(sent.values())
        self._ended = threading.Event()
        self._senders = [threading.Thread(target=self._send, args=(number,)) for number in range(senders)]

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        for sender in self._senders:
            sender.start()
        try:
            yield
        finally:
            self._ended.set()
            await asyncio.gather(*(asyncio.to_thread(sender.join) for sender in self._senders))

    def _send(self, number: int) -> None:
        bodies = itertools.cycle([*self._sent[number % len(self._sent) :], *self._sent[: number % len(self._sent)]])
        while not self._ended.is_set():
            connection = http.client.HTTPConnection(
                self._place.hostname or "", self._place.port, timeout=LONGEST_SECONDS
            )
            headers = {
                "authorization": f"Bearer {self._token}",
                "content-type": "application/json",
                "session-id": f"flood {number}",
            }
            connection.request("POST", "/v1/chat/completions", next(bodies), headers)
            connection.getresponse().read()
            connection.close()
            self.answered += 1


def _outcome(
    latencies: Mapping[str, list[list[float]]], healths: Mapping[str, list[list[float]]], answered: Spread
) -> Outcome:
    figures: dict[str, dict[str, Spread]] = {}
    for case in (QUIET, FLOODED):
        health = healths[case]
        figures[case] = {
            **latency_figures(latencies[case]),
            "health_p95_s": Spread(tuple(percentile(seconds, 95) for seconds in health)),
            "health_longest_s": Spread(tuple(max(seconds) for seconds in health)),
        }
    figures[FLOODED]["flood_requests"] = answered
    median, tail, health = (
        compare(name, figure, figures, FLOODED, QUIET)
        for name, figure in (
            ("latency p50 of short requests", "latency_p50_s"),
            ("latency p95 of short requests", "latency_p95_s"),
            ("longest answer of /health", "health_longest_s"),
        )
    )
    return Outcome(
        NAME,
        tuple(Result(ENGINE, case, of_case) for case, of_case in figures.items()),
        (median, tail, health),
        (
            Target("latency p95 of short requests, in the flood / quiet", tail.ratio, "<=", 2),
            Target("longest answer of /health in the flood, in seconds", health.ours, "<=", LONGEST_HEALTH_SECONDS),
        ),
        latency_ratio=median.ratio,
        notes=("Both cases are ours: the ratios compare a short request in a flood of large ones with a quiet host.",),
    )
