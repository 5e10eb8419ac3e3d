"""Workload `plan`: what the plan promised, as a user would check it, and what each cause has of it.

Small requests of several agents: through an MCP server and a model for each agent, as today, and through the
host's doors. Then the causes, each switched on alone, on our own engine with the same requests: one model
instead of many, the prefix cache, batching. Where the engine runs on a GPU, the host answers there as well, one
request after another and all agents at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from statistics import fmean

from codex_windows_ai.bench.bench import Bench, Round, ask_at_once, sampled
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare, latency_figures
from codex_windows_ai.bench.sides.ours import (
    Gpu,
    HostSide,
    engine,
    find_gpu,
    host_over_channel,
    host_over_http,
    host_over_mcp,
)
from codex_windows_ai.bench.sides.side import (
    Prompt,
    Question,
    Reply,
    Side,
    SmallRequest,
    Start,
    Starting,
    one_at_a_time,
    one_each,
)
from codex_windows_ai.bench.sides.status_quo import require_genai, status_quo_over_mcp, try_settings
from codex_windows_ai.bench.workloads.text import Text, decode
from codex_windows_ai.errors import EngineError, NotAvailableError

NAME = "plan"
GPU_IN_TURN, GPU = "ours, HTTP on the GPU, in turn", "ours, HTTP on the GPU"
STATUS_QUO, HTTP, MCP, CHANNEL = "status quo", "ours, HTTP", "ours, MCP", "ours, channel"
ALONE, ONE_MODEL, CACHE, BATCH, ALL = (
    "a model for each agent",
    "one model, in turn",
    "a model for each agent, prefix cache",
    "one model, batched",
    "one model, batched, prefix cache",
)
CAUSE_OUTPUT = 4
"""Tokens of an answer where causes are compared, about as many as a choice has."""
CHOICES = ("bug", "feature", "question", "docs")

_GPU_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class SmallRequestsSize:
    """Agents that all use the same instruction; lengths are in tokens, `requests` are those of each agent."""

    agents: int = 8
    requests: int = 6
    instruction: int = 400
    item: int = 24


Work = tuple[tuple[SmallRequest, ...], ...]
"""What each agent has classified, one after another: a fixed instruction, short items."""


def small_requests(bench: Bench, size: SmallRequestsSize, seed: str) -> Work:
    """Another seed gives other text, so that no round finds what an earlier one left behind."""

    def text(seed: str, length: int, opening: str) -> str:
        return decode(bench.tokenizer, Text(bench.tokenizer, seed).tokens(length, opening))

    choices = ", ".join(CHOICES)
    instruction = text(seed, size.instruction, f"Session {seed}. Classify each report as one of: {choices}. Rules:")

    def request(agent: int, number: int) -> SmallRequest:
        item = text(f"{seed}, agent {agent}, {number}", size.item, f"Report {agent}.{number}:")
        return SmallRequest(instruction, item, CHOICES)

    return tuple(tuple(request(agent, number) for number in range(size.requests)) for agent in range(size.agents))


@dataclass(frozen=True, slots=True)
class PlanRound:
    """A round, and what the host's engine and the GPU tell of it.

    `tokens_a_pass` is how many of the answers' tokens a forward pass brought, `gpu_busy` the GPU's share; None where
    nothing counts them.
    """

    round: Round
    tokens_a_pass: float | None = None
    gpu_busy: float | None = None


async def run(bench: Bench, size: SmallRequestsSize | None = None) -> Outcome:
    """Each round starts all processes anew. Raises NotAvailableError: ONNX Runtime GenAI is not installed.

    Raises EngineError: a request failed.
    """
    require_genai()
    size = size or SmallRequestsSize()
    agents = size.agents
    doors: dict[str, Start[SmallRequest]] = {
        HTTP: lambda: host_over_http(bench, agents),
        MCP: lambda: host_over_mcp(bench, agents),
    }
    if sys.platform == "linux":  # elsewhere a channel needs the kernel driver
        doors[CHANNEL] = lambda: host_over_channel(bench, agents)
    trial = small_requests(bench, replace(size, requests=1), "trial")

    async def try_one(settings: str) -> Round:
        return (await _choose(lambda: status_quo_over_mcp(bench, agents, settings), trial)).round

    settings, _ = await try_settings(bench, NAME, try_one)
    gpu, no_gpu = await _look_for_gpu(bench)
    on_gpu: dict[str, Start[SmallRequest]] = {}
    if gpu:
        on_gpu[GPU_IN_TURN] = lambda: host_over_http(bench, agents, gpu, in_turn=True)
        on_gpu[GPU] = lambda: host_over_http(bench, agents, gpu)
    sides = {STATUS_QUO: lambda: status_quo_over_mcp(bench, agents, settings), **doors, **on_gpu}
    causes = _causes(bench, agents)
    rounds: dict[str, list[PlanRound]] = {name: [] for name in (*sides, *causes)}
    total = bench.rounds()
    for number in range(total):
        work = small_requests(bench, size, f"round {number + 1}")
        for name in bench.turns(NAME, sides, number, total):
            rounds[name].append(await _choose(sides[name], work, gpu if name in on_gpu else None))
        for name in bench.turns(NAME, causes, number, total):
            rounds[name].append(PlanRound(await _complete(bench, causes[name], work)))
    return _outcome(rounds, list(doors), settings, _gpu_note(gpu, rounds) if gpu else no_gpu)


async def _look_for_gpu(bench: Bench) -> tuple[Gpu | None, str]:
    """The GPU that takes part, or a sentence on why none does."""
    bench.progress(f"{NAME}: looking for a GPU", 0, 0)
    try:
        return await asyncio.to_thread(find_gpu, bench.folder), ""
    except NotAvailableError as error:
        return None, f"No GPU took part: {error.message}."


async def _choose(start: Start[SmallRequest], work: Work, gpu: Gpu | None = None) -> PlanRound:
    """A round of `work`. Raises EngineError: a request failed, or an answer is none of the choices."""
    async with start() as side:
        counts = side.passes if isinstance(side, HostSide) else None
        warm_up = [SmallRequest("Classify.", f"warm-up {agent}", CHOICES) for agent in range(len(work))]
        await asyncio.gather(*(side.ask(agent, question) for agent, question in enumerate(warm_up)))
        passes_before, tokens_before = await counts() if counts else (0, 0)
        async with _loads(gpu) as loads:
            one = await ask_at_once(side, [_one_by_one(side, *each) for each in enumerate(work)])
        passes, tokens = await counts() if counts else (0, 0)
    if strange := {reply.text for reply in one.replies} - set(CHOICES):
        raise EngineError(f"A measured answer is none of the choices: {strange}")
    told = [load for load in loads if load is not None]
    return PlanRound(
        one,
        (tokens - tokens_before) / (passes - passes_before) if counts else None,
        fmean(told) if told else None,
    )


async def _one_by_one(side: Side[Question], agent: int, questions: Sequence[Question]) -> list[Reply]:
    return [await side.ask(agent, question) for question in questions]


@asynccontextmanager
async def _loads(gpu: Gpu | None) -> AsyncGenerator[list[float | None]]:
    if gpu is None:
        yield []
    else:
        async with sampled(gpu.load, _GPU_LOOK_SECONDS) as loads:
            yield loads


def _causes(bench: Bench, agents: int) -> dict[str, Start[Prompt]]:
    """The engine with nothing of what makes it fast, with one thing at a time, and with everything."""

    def engines(**configuration: int) -> list[Starting[Prompt]]:
        return [engine(bench, **configuration) for _ in range(agents)]

    return {
        ALONE: lambda: one_each(ALONE, engines(cache_bytes=0)),
        ONE_MODEL: lambda: one_at_a_time(engine(bench, cache_bytes=0, max_sequences=1)),
        CACHE: lambda: one_each(CACHE, engines()),
        BATCH: lambda: engine(bench, cache_bytes=0),
        ALL: lambda: engine(bench),
    }


async def _complete(bench: Bench, start: Start[Prompt], work: Work) -> Round:
    """A round of the same requests as token ids, with answers of one length."""
    encode = bench.tokenizer.encode_text
    prompts = [
        [Prompt(encode(f"{question.instruction}\n\n{question.item}"), CAUSE_OUTPUT) for question in questions]
        for questions in work
    ]
    async with start() as side:
        await asyncio.gather(*(side.ask(n, Prompt(encode(f"warm-up {n}"), 2)) for n in range(len(work))))
        return await ask_at_once(side, [_one_by_one(side, *each) for each in enumerate(prompts)])


def plan_figures(rounds: Sequence[PlanRound]) -> dict[str, Spread]:
    """The figures of one side over its rounds; a load that is not told in every round is left out."""
    plain = [one.round for one in rounds]
    tokens_a_pass = tuple(one.tokens_a_pass for one in rounds if one.tokens_a_pass is not None)
    gpu_busy = tuple(one.gpu_busy for one in rounds if one.gpu_busy is not None)
    return {
        **latency_figures([[reply.total for reply in one.replies] for one in plain]),
        "requests_per_s": Spread(tuple(len(one.replies) / one.seconds for one in plain)),
        **({"tokens_a_pass": Spread(tokens_a_pass)} if tokens_a_pass else {}),
        "busy_share": Spread(tuple(one.busy for one in plain)),
        **({"gpu_busy_share": Spread(gpu_busy)} if len(gpu_busy) == len(rounds) else {}),  # else not comparable
        "memory_bytes": Spread(tuple(float(one.memory_bytes) for one in plain)),
    }


def _gpu_note(gpu: Gpu, rounds: Mapping[str, list[PlanRound]]) -> str:
    told = any(one.gpu_busy is not None for one in rounds[GPU])
    load = "its load is what its driver tells" if told else "nobody here tells its load"
    return f"The GPU is {gpu.device.name}, driven by {gpu.device.execution_provider}; {load}. The rest ran on the CPU."


def _outcome(rounds: Mapping[str, list[PlanRound]], doors: Sequence[str], settings: str, on_gpu: str) -> Outcome:
    figures = {name: plan_figures(of_side) for name, of_side in rounds.items()}
    latency = {door: compare("latency p50", "latency_p50_s", figures, door, STATUS_QUO) for door in doors}
    throughput = {door: compare("requests a second", "requests_per_s", figures, door, STATUS_QUO) for door in doors}
    memory = compare("memory", "memory_bytes", figures, HTTP, STATUS_QUO)
    pairs = [(cause, ALONE) for cause in (ONE_MODEL, CACHE, BATCH, ALL)]
    if GPU in figures:
        pairs.append((GPU, GPU_IN_TURN))
    causes = [
        compare(name, figure, figures, ours, baseline)
        for ours, baseline in pairs
        for name, figure in (("latency p50", "latency_p50_s"), ("requests a second", "requests_per_s"))
    ]
    loads = [figures[side].get("gpu_busy_share") for side in (GPU, GPU_IN_TURN) if side in figures]
    if loads and all(load and load.low > 0 for load in loads):
        causes.append(compare("GPU busy", "gpu_busy_share", figures, GPU, GPU_IN_TURN))
    return Outcome(
        NAME,
        tuple(Result(name, "", of_side) for name, of_side in figures.items()),
        (*latency.values(), *throughput.values(), memory, *causes),
        tuple(
            target
            for door in doors
            for target in (
                Target(f"latency p50, {door} / {STATUS_QUO}", latency[door].ratio, "<=", 0.4),
                Target(f"requests a second, {door} / {STATUS_QUO}", throughput[door].ratio, ">=", 3),
            )
        ),
        latency_ratio=latency[HTTP].ratio,
        throughput_ratio=throughput[HTTP].ratio,
        memory_ratio=memory.ratio,
        notes=(
            f"The status quo runs with ONNX Runtime GenAI's settings `{settings}`, the faster in a trial.",
            f"Of the answers, {_agreement(rounds[STATUS_QUO], rounds[HTTP]):.0%} are the same on both sides; "
            "all are one of the choices.",
            "Below the doors: our engine with one cause switched on at a time, against none of them.",
            on_gpu,
        ),
    )


def _agreement(first: Sequence[PlanRound], second: Sequence[PlanRound]) -> float:
    """The share of questions to which both gave the same answer."""
    pairs = [
        (one.text, other.text)
        for a, b in zip(first, second, strict=True)
        for one, other in zip(a.round.replies, b.round.replies, strict=True)
    ]
    return sum(one == other for one, other in pairs) / len(pairs)
