"""Workload `curve`: `agents` with 1 to 16 of them, against our own engine used one request at a time.

Twice: as the naive oracle, without cache, batch and speculation, which is what the targets are about;
and with the cache, so that what batching alone gives is seen too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codex_windows_ai.bench.agents import warm_up
from codex_windows_ai.bench.context import Bench, in_turn
from codex_windows_ai.bench.figures import Comparison, Spread, Target, ratio
from codex_windows_ai.bench.outcome import Outcome, Result
from codex_windows_ai.bench.rounds import Round, round_figures, run_round
from codex_windows_ai.bench.serial import Serial
from codex_windows_ai.bench.side import Side
from codex_windows_ai.bench.workload import ConversationSize, conversations

NAME = "curve"
OURS, ORACLE, CACHED = "ours", "serial oracle", "serial with cache"
AGENTS = (1, 2, 4, 8, 16)
# What must be reached with so many agents, in tokens a second, ours / oracle. The oracle reads every
# prompt in full, which takes minutes with many agents, so it runs only where something must be reached.
_LIMITS = {2: 1.0, 8: 3.0}


def run(bench: Bench, size: ConversationSize | None = None, agents: Sequence[int] = AGENTS) -> Outcome:
    """Both sides are alive all the time, each with its own engine process, and get the same conversations.

    Raises EngineError: a request failed.
    """
    size = size or ConversationSize()
    rounds: dict[tuple[str, int], list[Round]] = {}
    sides: dict[str, Side] = {}
    try:
        sides[OURS] = bench.ours()
        sides[ORACLE] = Serial(bench.ours(cache_bytes=0, max_sequences=1, speculating_sequences=0))
        sides[CACHED] = Serial(bench.ours())
        for side in sides.values():
            warm_up(bench, side, max(agents))
        total = bench.rounds()
        for number in range(total):
            for count in agents:
                bench.progress(f"{NAME}: {_agents(count)}, round {number + 1} of {total}", 0, 0)
                now = replace(size, agents=count)
                talks = conversations(bench.tokenizer, now, f"{count} agents, round {number + 1}")
                for name in in_turn(sides, number):
                    if name != ORACLE or count in _LIMITS:
                        rounds.setdefault((name, count), []).append(run_round(sides[name], talks, now))
    finally:
        for side in sides.values():
            side.close()
    return _outcome({key: round_figures(of_case) for key, of_case in rounds.items()}, agents)


def _outcome(figures: dict[tuple[str, int], dict[str, Spread]], agents: Sequence[int]) -> Outcome:
    comparisons = {
        (baseline, count): Comparison(
            f"tokens a second, {_agents(count)}",
            "1/s",
            figures[OURS, count]["output_tokens_per_s"],
            figures[baseline, count]["output_tokens_per_s"],
            baseline,
        )
        for baseline in (ORACLE, CACHED)
        for count in agents
        if (baseline, count) in figures
    }
    most = max((count for baseline, count in comparisons if baseline == ORACLE), default=max(agents))
    baseline = ORACLE if (ORACLE, most) in figures else CACHED
    latency = {name: figures[name, most]["latency_p50_s"] for name in (OURS, baseline)}
    return Outcome(
        NAME,
        tuple(Result(name, _agents(count), of_case) for (name, count), of_case in figures.items()),
        tuple(comparisons.values()),
        tuple(
            Target(
                f"tokens a second with {count} agents, ours / {ORACLE}", comparisons[ORACLE, count].ratio, ">=", limit
            )
            for count, limit in _LIMITS.items()
            if (ORACLE, count) in comparisons
        ),
        latency_ratio=ratio(latency[OURS], latency[baseline]),
        throughput_ratio=comparisons[baseline, most].ratio,
        notes=(f"The latency and throughput ratios are those with {_agents(most)}, against the {baseline}.",),
    )


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"
