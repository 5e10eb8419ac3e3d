"""Workload `transport`: what it costs to reach the host, over HTTP with SSE and over the shared-memory channel.

Both ask the same host for the same seeded answers. What a request takes beyond what the engine says it
took is the transport's; its processor time is that of the client's thread and of the host's event loop,
in which neither the engine nor ONNX Runtime runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Protocol

import psutil

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare, latency_figures
from codex_windows_ai.bench.sides.ours import Host, running_host
from codex_windows_ai.client.answer_stream import stream_answer
from codex_windows_ai.client.http import HostClient
from codex_windows_ai.errors import EngineError, NotAvailableError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Message, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource

NAME = "transport"
HTTP, CHANNEL = "HTTP and SSE", "channel"
SHORT, STREAM = "requests of one token", "streamed answers"


@dataclass(frozen=True, slots=True)
class TransportSize:
    """In each round: short requests one after another, then streamed answers of so many tokens."""

    requests: int = 50
    streams: int = 6
    output: int = 128


@dataclass
class _Samples:
    """One transport's figures, an entry a round; seconds."""

    connect: list[float] = field(default_factory=list[float])
    overheads: list[list[float]] = field(default_factory=list[list[float]])
    shares: list[float] = field(default_factory=list[float])
    cpu_per_request: list[float] = field(default_factory=list[float])
    cpu_per_token: list[float] = field(default_factory=list[float])
    texts: list[list[str]] = field(default_factory=list[list[str]])

    def short_figures(self) -> dict[str, Spread]:
        return {
            **latency_figures(self.overheads, "transport"),
            "connect_s": Spread(tuple(self.connect)),
            "cpu_per_request_s": Spread(tuple(self.cpu_per_request)),
        }

    def stream_figures(self) -> dict[str, Spread]:
        return {
            "cpu_per_token_s": Spread(tuple(self.cpu_per_token)),
            "transport_share": Spread(tuple(self.shares)),
        }


class _Client(Protocol):
    def stream(self, request: GenerationRequest) -> AsyncGenerator[AnswerSource | Delta]: ...


class _HttpClient:
    def __init__(self, client: HostClient, model: str) -> None:
        self._client, self._model = client, model

    def stream(self, request: GenerationRequest) -> AsyncGenerator[AnswerSource | Delta]:
        return stream_answer(self._client, replace(request, model=self._model))


def check_available() -> None:
    """Raises NotAvailableError: channels without a driver need Linux."""
    if sys.platform != "linux":
        raise NotAvailableError(
            "`bench transport` measures the channel of Linux.", hint="`cwai bench all` leaves it out elsewhere."
        )


async def run(bench: Bench, size: TransportSize | None = None) -> Outcome:
    """Both transports in turn. Raises EngineError: a request failed, or the two answered differently."""
    check_available()
    size = size or TransportSize()
    samples = {HTTP: _Samples(), CHANNEL: _Samples()}
    async with running_host(bench) as host:
        loop = _ThreadTime(host.worker.process.pid, (await host.worker.statistics())["loop_thread"])
        total = bench.rounds()
        for number in range(-1, total):  # the first is the warm-up
            for name in bench.turns(NAME, samples, number, total):
                of_round = _Samples() if number < 0 else samples[name]
                await _round(_connected(name, bench.folder.name, host), size, loop, of_round, max(number, 0))
    if samples[HTTP].texts != samples[CHANNEL].texts:
        raise EngineError("The two transports brought different answers to the same seeded requests.")
    return _outcome(samples)


async def _round(
    connected: AbstractAsyncContextManager[_Client],
    size: TransportSize,
    loop: _ThreadTime,
    samples: _Samples,
    number: int,
) -> None:
    started = time.perf_counter()
    async with connected as client:
        samples.connect.append(time.perf_counter() - started)
        texts: list[str] = []
        overheads: list[float] = []
        before = loop.seconds() + time.thread_time()
        for request in range(size.requests):
            overhead, _, _, text = await _ask(client, f"Number {request}", 1, seed=number)
            overheads.append(overhead)
            texts.append(text)
        between = loop.seconds() + time.thread_time()
        tokens, shares = 0, list[float]()
        for stream in range(size.streams):
            overhead, wall, count, text = await _ask(client, f"Tell story {stream}.", size.output, seed=stream)
            tokens += count
            shares.append(overhead / wall)
            texts.append(text)
        after = loop.seconds() + time.thread_time()
    samples.overheads.append(overheads)
    samples.shares.append(median(shares))
    samples.cpu_per_request.append((between - before) / size.requests)
    samples.cpu_per_token.append((after - between) / tokens)
    samples.texts.append(texts)


@asynccontextmanager
async def _connected(name: str, model: str, host: Host) -> AsyncGenerator[_Client]:
    if name == CHANNEL:
        async with host.connect_channel() as channel:
            yield channel
    else:
        async with host.connect_http() as client:
            yield _HttpClient(client, model)


async def _ask(client: _Client, text: str, tokens: int, *, seed: int) -> tuple[float, float, int, str]:
    """What the transport took and what all took, in seconds; how many tokens came, and the answer."""
    request = GenerationRequest(
        messages=(Message("user", text),),
        max_output_tokens=tokens,
        sampling=SamplingParameters(temperature=1.0, seed=seed),
    )
    started = time.perf_counter()
    last = Delta()
    pieces: list[str] = []
    async with aclosing(client.stream(request)) as stream:
        async for piece in stream:
            if isinstance(piece, Delta):
                pieces.append(piece.text)
                last = piece
    wall = time.perf_counter() - started
    if last.usage is None or last.timings is None:
        raise EngineError("A measured answer ended without its figures.")
    return wall - last.timings.total / 1000, wall, last.usage.output_tokens, "".join(pieces)


class _ThreadTime:
    """Processor time of one thread of another process."""

    def __init__(self, process: int, thread: int) -> None:
        self._process = psutil.Process(process)
        self._thread = thread

    def seconds(self) -> float:
        """Since its start, to the operating system's resolution (10 ms on Linux)."""
        return next(
            thread.user_time + thread.system_time for thread in self._process.threads() if thread.id == self._thread
        )


def _outcome(samples: dict[str, _Samples]) -> Outcome:
    figures = {name: {SHORT: side.short_figures(), STREAM: side.stream_figures()} for name, side in samples.items()}
    short, stream = ({name: of_side[case] for name, of_side in figures.items()} for case in (SHORT, STREAM))
    request = compare("transport time a request, p50", "transport_p50_s", short, CHANNEL, HTTP)
    token = compare("processor time a streamed token", "cpu_per_token_s", stream, CHANNEL, HTTP)
    share = [stream[name]["transport_share"].median for name in (HTTP, CHANNEL)]
    return Outcome(
        NAME,
        tuple(Result(name, case, of_case) for name, of_side in figures.items() for case, of_case in of_side.items()),
        (
            request,
            compare("processor time a request", "cpu_per_request_s", short, CHANNEL, HTTP),
            token,
            compare("time to connect", "connect_s", short, CHANNEL, HTTP),
        ),
        (
            Target("transport time a request, channel / HTTP", request.ratio, "<=", 0.25),
            Target("processor time a streamed token, channel / HTTP", token.ratio, "<=", 0.5),
        ),
        latency_ratio=request.ratio,
        notes=(
            f"Of a streamed answer's time, HTTP takes {share[0]:.2%} and the channel {share[1]:.2%}: "
            "the rest is the engine's.",
            "Both sides gave the same answers, token for token.",
        ),
    )
