"""Workloads of several agents at once that share a system prompt.

`agents` is against the status quo. `curve` is the same with 1 to 16 of them, against our own engine used one request
at a time, twice: as the naive oracle, without cache, batch and speculation, which is what the targets are about; and
with the cache, so that what batching alone gives is seen too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from codex_windows_ai.bench.bench import Bench, Round, ask_at_once, in_turn
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare, latency_figures
from codex_windows_ai.bench.sides.llama_server import llama_server
from codex_windows_ai.bench.sides.ours import engine
from codex_windows_ai.bench.sides.side import Prompt, Reply, Side, Start, one_at_a_time
from codex_windows_ai.bench.sides.status_quo import require_genai, status_quo, try_settings
from codex_windows_ai.bench.workloads.text import Conversation, ConversationSize, Text, conversations
from codex_windows_ai.errors import EngineError

NAME, CURVE = "agents", "curve"
ENGINE, STATUS_QUO, LLAMA_SERVER = "ours", "status quo", "llama-server"
ORACLE, CACHED = "serial oracle", "serial with cache"
CURVE_AGENTS = (1, 2, 4, 8, 16)
# What must be reached with so many agents, in tokens a second, ours / oracle. The oracle reads every
# prompt in full, which takes minutes with many agents, so it runs only where something must be reached.
_CURVE_LIMITS = {2: 1.0, 8: 3.0}


async def run(bench: Bench, size: ConversationSize | None = None) -> Outcome:
    """Each round starts all processes anew, so that no cache is warm and none shares memory with another side's.

    Raises NotAvailableError: the baseline's runtime is not installed. EngineError: a request failed.
    """
    require_genai()
    size = size or ConversationSize()
    short = replace(size, turns=1)
    settings, trials = await try_settings(
        bench, NAME, lambda name: _round(bench, lambda: status_quo(bench, size.agents, name), short, "trial")
    )
    sides: dict[str, Start[Prompt]] = {
        STATUS_QUO: lambda: status_quo(bench, size.agents, settings),
        ENGINE: lambda: engine(bench),
    }
    if program := next((peer.program for peer in bench.peers if peer.program), None):
        sides[LLAMA_SERVER] = lambda: llama_server(bench.children, program, slots=size.agents, slot_tokens=size.longest)
    rounds: dict[str, list[Round]] = {name: [] for name in sides}
    total = bench.rounds()
    for number in range(total):
        for name in bench.turns(NAME, sides, number, total):
            rounds[name].append(await _round(bench, sides[name], size, f"round {number + 1}"))
    return _outcome(rounds, trials, settings)


async def _round(bench: Bench, start: Start[Prompt], size: ConversationSize, seed: str) -> Round:
    async with start() as side:
        await warm_up(bench, side, size.agents)
        return await converse(side, conversations(bench.tokenizer, size, seed), size)


async def warm_up(bench: Bench, side: Side[Prompt], agents: int) -> None:
    """Lets every agent ask something short, so that buffers and threads exist; nothing of it is asked again."""
    prompts = [Text(bench.tokenizer, f"warm-up of agent {agent}").tokens(40) for agent in range(agents)]
    await asyncio.gather(*(side.ask(agent, Prompt(prompt, 4)) for agent, prompt in enumerate(prompts)))


async def converse(side: Side[Prompt], talks: Sequence[Conversation], size: ConversationSize) -> Round:
    """All agents talk at once; each asks its next question once it is answered.

    Raises EngineError: a request failed, or an answer has not as many tokens as it must have.
    """

    async def talk(agent: int) -> list[Reply]:
        replies: list[Reply] = []
        for _ in range(size.turns):
            prompt = talks[agent].prompt([reply.tokens for reply in replies])
            reply = await side.ask(agent, Prompt(prompt, size.output))
            if len(reply.tokens) != size.output:
                raise EngineError(f"{side.name} gave {len(reply.tokens)} tokens instead of {size.output}.")
            replies.append(reply)
        return replies

    return await ask_at_once(side, [talk(agent) for agent in range(len(talks))])


def conversation_figures(rounds: Sequence[Round]) -> dict[str, Spread]:
    """The figures of one side over its rounds; seconds, bytes, and shares of one."""
    outputs = [sum(len(reply.tokens) for reply in one.replies) for one in rounds]
    cached = [
        sum(reply.cached_tokens for reply in one.replies) / sum(reply.input_tokens for reply in one.replies)
        for one in rounds
    ]
    return {
        **latency_figures([[reply.total for reply in one.replies] for one in rounds]),
        **latency_figures([[reply.first_token for reply in one.replies] for one in rounds], "first_token"),
        "requests_per_s": Spread(tuple(len(one.replies) / one.seconds for one in rounds)),
        "output_tokens_per_s": Spread(tuple(tokens / one.seconds for one, tokens in zip(rounds, outputs, strict=True))),
        "memory_bytes": Spread(tuple(float(one.memory_bytes) for one in rounds)),
        "cached_share": Spread(tuple(cached)),
        "seconds": Spread(tuple(one.seconds for one in rounds)),
    }


def _outcome(rounds: Mapping[str, list[Round]], trials: Mapping[str, Round], settings: str) -> Outcome:
    figures = {name: conversation_figures(of_side) for name, of_side in rounds.items()}
    results = [
        *(
            Result(f"{STATUS_QUO}, {name}", "trial of one turn", conversation_figures([trial]))
            for name, trial in trials.items()
        ),
        *(Result(name, "", of_side) for name, of_side in figures.items()),
    ]
    latency = compare("latency p50", "latency_p50_s", figures, ENGINE, STATUS_QUO)
    tail = compare("latency p95", "latency_p95_s", figures, ENGINE, STATUS_QUO)
    first = compare("first token p50", "first_token_p50_s", figures, ENGINE, STATUS_QUO)
    throughput = compare("requests a second", "requests_per_s", figures, ENGINE, STATUS_QUO)
    memory = compare("memory", "memory_bytes", figures, ENGINE, STATUS_QUO)
    comparisons = [latency, tail, first, throughput, memory]
    targets = [
        Target("latency p50, ours / status quo", latency.ratio, "<=", 0.2),
        Target("latency p95, ours / status quo", tail.ratio, "<=", 0.2),
        Target("requests a second, ours / status quo", throughput.ratio, ">=", 6),
        Target("memory, ours / status quo", memory.ratio, "<=", 0.25),
    ]
    if LLAMA_SERVER in figures:
        requests = compare("requests a second", "requests_per_s", figures, ENGINE, LLAMA_SERVER)
        first = compare("first token p50", "first_token_p50_s", figures, ENGINE, LLAMA_SERVER)
        comparisons += [requests, first]
        targets += [
            Target("requests a second, ours / llama-server", requests.ratio, ">=", 2),
            Target("first token p50, ours / llama-server", first.ratio, "<=", 0.5),
        ]
    tried = ", ".join(f"{name} {trial.seconds:.1f} s" for name, trial in trials.items())
    return Outcome(
        NAME,
        tuple(results),
        tuple(comparisons),
        tuple(targets),
        latency_ratio=latency.ratio,
        throughput_ratio=throughput.ratio,
        memory_ratio=memory.ratio,
        notes=(
            f"The status quo runs with ONNX Runtime GenAI's settings `{settings}`, "
            f"the faster in a trial of one turn ({tried}).",
        ),
    )


CurveFigures = Mapping[int, Mapping[str, dict[str, Spread]]]
"""By number of agents, then by side."""


async def run_curve(
    bench: Bench, size: ConversationSize | None = None, agents: Sequence[int] = CURVE_AGENTS
) -> Outcome:
    """All sides are alive all the time, each with its own engine process, and get the same conversations.

    Raises EngineError: a request failed.
    """
    size = size or ConversationSize()
    rounds: dict[int, dict[str, list[Round]]] = {count: {} for count in agents}
    naive = {"cache_bytes": 0, "max_sequences": 1, "speculating_sequences": 0}
    async with AsyncExitStack() as stack:
        sides: dict[str, Side[Prompt]] = {
            ENGINE: await stack.enter_async_context(engine(bench)),
            ORACLE: await stack.enter_async_context(one_at_a_time(engine(bench, **naive))),
            CACHED: await stack.enter_async_context(one_at_a_time(engine(bench))),
        }
        for side in sides.values():
            await warm_up(bench, side, max(agents))
        total = bench.rounds()
        for number in range(total):
            for count in agents:
                bench.progress(f"{CURVE}: {_so_many(count)}, round {number + 1} of {total}", 0, 0)
                now = replace(size, agents=count)
                talks = conversations(bench.tokenizer, now, f"{count} agents, round {number + 1}")
                for name in in_turn(sides, number):
                    if name != ORACLE or count in _CURVE_LIMITS:
                        rounds[count].setdefault(name, []).append(await converse(sides[name], talks, now))
    return _curve_outcome(
        {
            count: {name: conversation_figures(of_side) for name, of_side in of_count.items()}
            for count, of_count in rounds.items()
        }
    )


def _curve_outcome(figures: CurveFigures) -> Outcome:
    comparisons = {
        (baseline, count): compare(
            f"tokens a second, {_so_many(count)}", "output_tokens_per_s", of_count, ENGINE, baseline
        )
        for baseline in (ORACLE, CACHED)
        for count, of_count in figures.items()
        if baseline in of_count
    }
    most = max((count for baseline, count in comparisons if baseline == ORACLE), default=max(figures))
    baseline = ORACLE if ORACLE in figures[most] else CACHED
    latency = compare("latency", "latency_p50_s", figures[most], ENGINE, baseline)
    return Outcome(
        CURVE,
        tuple(
            Result(name, _so_many(count), of_side)
            for count, of_count in figures.items()
            for name, of_side in of_count.items()
        ),
        tuple(comparisons.values()),
        tuple(
            Target(
                f"tokens a second with {count} agents, ours / {ORACLE}", comparisons[ORACLE, count].ratio, ">=", limit
            )
            for count, limit in _CURVE_LIMITS.items()
            if (ORACLE, count) in comparisons
        ),
        latency_ratio=latency.ratio,
        throughput_ratio=comparisons[baseline, most].ratio,
        notes=(f"The latency and throughput ratios are those with {_so_many(most)}, against the {baseline}.",),
    )


def _so_many(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"
