"""Workload `curve`: `agents` with 1 to 16 of them, against our own engine used one request at a time.

Twice: as the naive oracle, without cache, batch and speculation, which is what the targets are about;
and with the cache, so that what batching alone gives is seen too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from codex_windows_ai.bench.context import Bench, in_turn
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare
from codex_windows_ai.bench.measure import Round
from codex_windows_ai.bench.sides.engine import engine
from codex_windows_ai.bench.sides.side import Prompt, Side, one_at_a_time
from codex_windows_ai.bench.workloads.agents import conversation_figures, converse, warm_up
from codex_windows_ai.bench.workloads.text import ConversationSize, conversations

NAME = "curve"
ENGINE, ORACLE, CACHED = "ours", "serial oracle", "serial with cache"
AGENTS = (1, 2, 4, 8, 16)
# What must be reached with so many agents, in tokens a second, ours / oracle. The oracle reads every
# prompt in full, which takes minutes with many agents, so it runs only where something must be reached.
_LIMITS = {2: 1.0, 8: 3.0}

Figures = Mapping[int, Mapping[str, dict[str, Spread]]]
"""By number of agents, then by side."""


async def run(bench: Bench, size: ConversationSize | None = None, agents: Sequence[int] = AGENTS) -> Outcome:
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
                bench.progress(f"{NAME}: {_agents(count)}, round {number + 1} of {total}", 0, 0)
                now = replace(size, agents=count)
                talks = conversations(bench.tokenizer, now, f"{count} agents, round {number + 1}")
                for name in in_turn(sides, number):
                    if name != ORACLE or count in _LIMITS:
                        rounds[count].setdefault(name, []).append(await converse(sides[name], talks, now))
    return _outcome(
        {
            count: {name: conversation_figures(of_side) for name, of_side in of_count.items()}
            for count, of_count in rounds.items()
        }
    )


def _outcome(figures: Figures) -> Outcome:
    comparisons = {
        (baseline, count): compare(
            f"tokens a second, {_agents(count)}", "output_tokens_per_s", of_count, ENGINE, baseline
        )
        for baseline in (ORACLE, CACHED)
        for count, of_count in figures.items()
        if baseline in of_count
    }
    most = max((count for baseline, count in comparisons if baseline == ORACLE), default=max(figures))
    baseline = ORACLE if ORACLE in figures[most] else CACHED
    latency = compare("latency", "latency_p50_s", figures[most], ENGINE, baseline)
    return Outcome(
        NAME,
        tuple(
            Result(name, _agents(count), of_side)
            for count, of_count in figures.items()
            for name, of_side in of_count.items()
        ),
        tuple(comparisons.values()),
        tuple(
            Target(
                f"tokens a second with {count} agents, ours / {ORACLE}", comparisons[ORACLE, count].ratio, ">=", limit
            )
            for count, limit in _LIMITS.items()
            if (ORACLE, count) in comparisons
        ),
        latency_ratio=latency.ratio,
        throughput_ratio=comparisons[baseline, most].ratio,
        notes=(f"The latency and throughput ratios are those with {_agents(most)}, against the {baseline}.",),
    )


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"
