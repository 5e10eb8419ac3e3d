"""Workload `plan`: what the plan promised, as a user would check it, and what each cause has of it.

Small requests of several agents: through an MCP server and a model for each agent, as today, and through the
host's doors. Then the causes, each switched on alone, on our own engine with the same requests: one model
instead of many, the prefix cache, batching. Where the engine runs on a GPU, the host answers there as well, one
request after another and all agents at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from statistics import fmean

import psutil

from codex_windows_ai.bench.context import Bench, in_turn
from codex_windows_ai.bench.each_alone import EachAlone
from codex_windows_ai.bench.figures import Comparison, Spread, Target, latency_figures
from codex_windows_ai.bench.gpu import Gpu, find_gpu
from codex_windows_ai.bench.outcome import Outcome, Result
from codex_windows_ai.bench.serial import Serial
from codex_windows_ai.bench.side import Side
from codex_windows_ai.bench.small_request_sides import Ask, Connected, over_channel, over_http, over_mcp, status_quo
from codex_windows_ai.bench.small_requests import CHOICES, SmallRequests, SmallRequestsSize, small_requests
from codex_windows_ai.bench.status_quo import SETTINGS, require_genai
from codex_windows_ai.errors import EngineError, NotAvailableError

NAME = "plan"
GPU_IN_TURN, GPU = "ours, HTTP on the GPU, in turn", "ours, HTTP on the GPU"
BASELINE, HTTP, MCP, CHANNEL = "status quo", "ours, HTTP", "ours, MCP", "ours, channel"
ALONE, ONE_MODEL, CACHE, BATCH, ALL = (
    "a model for each agent",
    "one model, in turn",
    "a model for each agent, prefix cache",
    "one model, batched",
    "one model, batched, prefix cache",
)
CAUSE_OUTPUT = 4
"""Tokens of an answer where causes are compared, about as many as a choice has."""

_GPU_LOOK_SECONDS = 0.2

Connect = Callable[[], AbstractAsyncContextManager[Connected]]


@dataclass(frozen=True, slots=True)
class _Round:
    """Latencies in seconds; `seconds` from the first question to the last answer; `busy` of all cores, 0 to 1.

    `gpu_busy` is the GPU's share, where one answered and somebody tells.
    """

    latencies: tuple[float, ...]
    seconds: float
    busy: float
    memory_bytes: int
    answers: tuple[str, ...] = ()
    tokens_a_pass: float | None = None
    """Of answers, that a forward pass brought; None where nobody counts."""
    gpu_busy: float | None = None


def run(bench: Bench, size: SmallRequestsSize | None = None) -> Outcome:
    """Each round starts all processes anew. Raises NotAvailableError: ONNX Runtime GenAI is not installed.

    Raises EngineError: a request failed.
    """
    require_genai()
    size = size or SmallRequestsSize()
    doors: dict[str, Connect] = {
        HTTP: lambda: over_http(bench, size.agents),
        MCP: lambda: over_mcp(bench, size.agents),
    }
    if sys.platform == "linux":  # elsewhere a channel needs the kernel driver
        doors[CHANNEL] = lambda: over_channel(bench, size.agents)
    settings = _faster_settings(bench, size)
    gpu, no_gpu = _look_for_gpu(bench)
    on_gpu: dict[str, Connect] = {}
    if gpu:
        on_gpu[GPU_IN_TURN] = lambda: over_http(bench, size.agents, gpu, in_turn=True)
        on_gpu[GPU] = lambda: over_http(bench, size.agents, gpu)
    sides: dict[str, Connect] = {BASELINE: lambda: status_quo(bench, size.agents, settings), **doors, **on_gpu}
    rounds: dict[str, list[_Round]] = {name: [] for name in (*sides, ALONE, ONE_MODEL, CACHE, BATCH, ALL)}
    total = bench.rounds()
    for number in range(total):
        work = small_requests(bench.tokenizer, size, f"round {number + 1}")
        for name in in_turn(sides, number):
            bench.progress(f"{NAME}: {name}, round {number + 1} of {total}", 0, 0)
            rounds[name].append(asyncio.run(_ask_all(sides[name], work, gpu if name in on_gpu else None)))
        causes = _causes(bench, size.agents)
        for name in in_turn(causes, number):
            bench.progress(f"{NAME}: {name}, round {number + 1} of {total}", 0, 0)
            rounds[name].append(_cause(bench, causes[name], work))
    return _outcome(rounds, list(doors), settings, _gpu_note(gpu, rounds) if gpu else no_gpu)


def _look_for_gpu(bench: Bench) -> tuple[Gpu | None, str]:
    """The GPU that takes part, or a sentence on why none does."""
    bench.progress(f"{NAME}: looking for a GPU", 0, 0)
    try:
        return find_gpu(bench.folder), ""
    except NotAvailableError as error:
        return None, f"No GPU took part: {error.message}."


def _faster_settings(bench: Bench, size: SmallRequestsSize) -> str:
    """Which of GenAI's settings serves the status quo best, in a trial of one request an agent."""
    work = small_requests(bench.tokenizer, replace(size, requests=1), "trial")
    seconds: dict[str, float] = {}
    for settings in SETTINGS:
        bench.progress(f"{NAME}: trying the status quo with {settings}", 0, 0)
        seconds[settings] = asyncio.run(
            _ask_all(lambda settings=settings: status_quo(bench, size.agents, settings), work)
        ).seconds
    return min(seconds, key=lambda name: seconds[name])


async def _ask_all(connect: Connect, work: SmallRequests, gpu: Gpu | None = None) -> _Round:
    """All agents at once, each with its next request once it is answered."""
    async with connect() as connected:
        await asyncio.gather(*(ask("Classify.", f"warm-up {n}") for n, ask in enumerate(connected.asks)))
        passes_before, tokens_before = await connected.passed() if connected.passed else (0, 0)
        psutil.cpu_percent()
        peak, loads = [connected.memory_bytes()], list[float]()
        watching = [asyncio.create_task(_watch_memory(connected, peak))]
        if gpu:
            watching.append(asyncio.create_task(_watch_gpu(gpu, loads)))
        began = time.perf_counter()
        results = await asyncio.gather(
            *(_agent(ask, work.instruction, items) for ask, items in zip(connected.asks, work.items, strict=True))
        )
        seconds = time.perf_counter() - began
        busy = psutil.cpu_percent() / 100
        for task in watching:
            task.cancel()
        passes, tokens = await connected.passed() if connected.passed else (0, 0)
    latencies = tuple(latency for of_agent in results for latency, _ in of_agent)
    answers = tuple(answer for of_agent in results for _, answer in of_agent)
    if strange := set(answers) - set(CHOICES):
        raise EngineError(f"A measured answer is none of the choices: {strange}")
    tokens_a_pass = (tokens - tokens_before) / (passes - passes_before) if connected.passed else None
    return _Round(latencies, seconds, busy, max(peak), answers, tokens_a_pass, fmean(loads) if loads else None)


async def _agent(ask: Ask, instruction: str, items: Sequence[str]) -> list[tuple[float, str]]:
    results: list[tuple[float, str]] = []
    for item in items:
        asked = time.perf_counter()
        answer = await ask(instruction, item)
        results.append((time.perf_counter() - asked, answer))
    return results


async def _watch_memory(connected: Connected, peak: list[int]) -> None:
    while True:
        await asyncio.sleep(1.0)
        peak.append(await asyncio.to_thread(connected.memory_bytes))


async def _watch_gpu(gpu: Gpu, loads: list[float]) -> None:
    while True:
        load = await asyncio.to_thread(gpu.load)
        if load is not None:
            loads.append(load)
        await asyncio.sleep(_GPU_LOOK_SECONDS)


def _causes(bench: Bench, agents: int) -> dict[str, Callable[[], Side]]:
    """Our engine with nothing of what makes it fast, with one thing at a time, and with everything."""
    return {
        ALONE: lambda: EachAlone(bench, agents, cache_bytes=0),
        ONE_MODEL: lambda: Serial(bench.ours(cache_bytes=0, max_sequences=1)),
        CACHE: lambda: EachAlone(bench, agents),
        BATCH: lambda: bench.ours(cache_bytes=0),
        ALL: bench.ours,
    }


def _cause(bench: Bench, start: Callable[[], Side], work: SmallRequests) -> _Round:
    encode = bench.tokenizer.encode_text
    side = start()

    def agent(number: int) -> list[float]:
        prompts = [encode(f"{work.instruction}\n\n{item}") for item in work.items[number]]
        return [side.generate(number, prompt, CAUSE_OUTPUT).total for prompt in prompts]

    def warm_up(number: int) -> None:
        side.generate(number, encode(f"warm-up {number}"), 2)

    try:
        with ThreadPoolExecutor(len(work.items)) as pool:
            list(pool.map(warm_up, range(len(work.items))))
            psutil.cpu_percent()
            began = time.perf_counter()
            latencies = [latency for of_agent in pool.map(agent, range(len(work.items))) for latency in of_agent]
            seconds = time.perf_counter() - began
            return _Round(tuple(latencies), seconds, psutil.cpu_percent() / 100, side.memory_bytes())
    finally:
        side.close()


def _figures(rounds: Sequence[_Round]) -> dict[str, Spread]:
    tokens_a_pass = tuple(one.tokens_a_pass for one in rounds if one.tokens_a_pass is not None)
    gpu_busy = tuple(one.gpu_busy for one in rounds if one.gpu_busy is not None)
    return {
        **latency_figures([one.latencies for one in rounds]),
        "requests_per_s": Spread(tuple(len(one.latencies) / one.seconds for one in rounds)),
        **({"tokens_a_pass": Spread(tokens_a_pass)} if tokens_a_pass else {}),
        "busy_share": Spread(tuple(one.busy for one in rounds)),
        **({"gpu_busy_share": Spread(gpu_busy)} if len(gpu_busy) == len(rounds) else {}),  # else not comparable
        "memory_bytes": Spread(tuple(float(one.memory_bytes) for one in rounds)),
    }


def _gpu_note(gpu: Gpu, rounds: Mapping[str, list[_Round]]) -> str:
    told = any(one.gpu_busy is not None for one in rounds[GPU])
    load = "its load is what its driver tells" if told else "nobody here tells its load"
    return f"The GPU is {gpu.device.name}, driven by {gpu.device.execution_provider}; {load}. The rest ran on the CPU."


def _outcome(rounds: Mapping[str, list[_Round]], doors: Sequence[str], settings: str, on_gpu: str) -> Outcome:
    figures = {name: _figures(of_side) for name, of_side in rounds.items()}

    def compare(name: str, unit: str, figure: str, ours: str, baseline: str = BASELINE) -> Comparison:
        return Comparison(name, unit, figures[ours][figure], figures[baseline][figure], baseline, ours)

    latency = {door: compare("latency p50", "s", "latency_p50_s", door) for door in doors}
    throughput = {door: compare("requests a second", "1/s", "requests_per_s", door) for door in doors}
    memory = compare("memory", "bytes", "memory_bytes", HTTP)
    pairs = [(cause, ALONE) for cause in (ONE_MODEL, CACHE, BATCH, ALL)]
    if GPU in figures:
        pairs.append((GPU, GPU_IN_TURN))
    causes = [
        compare(name, unit, figure, ours, baseline)
        for ours, baseline in pairs
        for name, unit, figure in (
            ("latency p50", "s", "latency_p50_s"),
            ("requests a second", "1/s", "requests_per_s"),
        )
    ]
    loads = [figures[side].get("gpu_busy_share") for side in (GPU, GPU_IN_TURN) if side in figures]
    if loads and all(load and load.low > 0 for load in loads):
        causes.append(compare("GPU busy", "share", "gpu_busy_share", GPU, GPU_IN_TURN))
    return Outcome(
        NAME,
        tuple(Result(name, "", of_side) for name, of_side in figures.items()),
        (*latency.values(), *throughput.values(), memory, *causes),
        tuple(
            target
            for door in doors
            for target in (
                Target(f"latency p50, {door} / {BASELINE}", latency[door].ratio, "<=", 0.4),
                Target(f"requests a second, {door} / {BASELINE}", throughput[door].ratio, ">=", 3),
            )
        ),
        latency_ratio=latency[HTTP].ratio,
        throughput_ratio=throughput[HTTP].ratio,
        memory_ratio=memory.ratio,
        notes=(
            f"The status quo runs with ONNX Runtime GenAI's settings `{settings}`, the faster in a trial.",
            f"Of the answers, {_agreement(rounds[BASELINE], rounds[HTTP]):.0%} are the same on both sides; "
            "all are one of the choices.",
            "Below the doors: our engine with one cause switched on at a time, against none of them.",
            on_gpu,
        ),
    )


def _agreement(first: Sequence[_Round], second: Sequence[_Round]) -> float:
    pairs = [pair for a, b in zip(first, second, strict=True) for pair in zip(a.answers, b.answers, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)
