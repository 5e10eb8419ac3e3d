"""Workload `intruder`: short requests while another agent's long prompt is read, against an idle host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare, latency_figures
from codex_windows_ai.bench.process import Worker
from codex_windows_ai.bench.sides.ours import engine
from codex_windows_ai.bench.sides.side import Prompt, Reply
from codex_windows_ai.bench.workloads.text import Text

NAME = "intruder"
ENGINE, IDLE, BUSY = "ours", "idle host", "beside the intruder"
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class IntruderSize:
    """Lengths in tokens; `requests` short ones are asked on the idle host."""

    prompt: int = 6000
    input: int = 20
    output: int = 8
    requests: int = 20


@dataclass
class _Samples:
    """The short requests of one side, a list for each round, in seconds."""

    totals: list[list[float]] = field(default_factory=list[list[float]])
    first_tokens: list[list[float]] = field(default_factory=list[list[float]])

    def begin_round(self) -> None:
        self.totals.append([])
        self.first_tokens.append([])

    def add(self, reply: Reply) -> None:
        self.totals[-1].append(reply.total)
        self.first_tokens[-1].append(reply.first_token)

    def figures(self) -> dict[str, Spread]:
        counts = Spread(tuple(float(len(values)) for values in self.totals))
        return {
            **latency_figures(self.totals),
            **latency_figures(self.first_tokens, "first_token"),
            "requests": counts,
        }


async def run(bench: Bench, size: IntruderSize | None = None) -> Outcome:
    """Short requests come one after another, from another agent than the long prompt, and share no prefix.

    Raises EngineError: a request failed.
    """
    size = size or IntruderSize()
    samples = {IDLE: _Samples(), BUSY: _Samples()}
    prefills: list[float] = []
    async with engine(bench) as side:
        await _ask(bench, side, size, "warm-up")
        total = bench.rounds(ROUNDS)
        for number in range(total):
            for case in bench.turns(NAME, samples, number, total):
                samples[case].begin_round()
                if case == IDLE:
                    for request in range(size.requests):
                        samples[case].add(await _ask(bench, side, size, f"idle {number} {request}"))
                else:
                    prefills.append(await _beside_the_intruder(bench, side, size, samples[case], number))
    return _outcome({case: of_case.figures() for case, of_case in samples.items()}, Spread(tuple(prefills)))


async def _beside_the_intruder(bench: Bench, side: Worker, size: IntruderSize, samples: _Samples, number: int) -> float:
    """Asks as long as the long prompt is being read; returns the seconds until its first token."""
    prompt = Text(bench.tokenizer, f"intruder {number}").tokens(size.prompt, f"Report {number}.")
    intruder = side.start("intruder", Prompt(prompt, 1))
    request = 0
    while request == 0 or not intruder.started:
        samples.add(await _ask(bench, side, size, f"busy {number} {request}"))
        request += 1
    return (await intruder.result()).first_token


async def _ask(bench: Bench, side: Worker, size: IntruderSize, seed: str) -> Reply:
    prompt = Text(bench.tokenizer, seed).tokens(size.input, f"{seed}:")
    return await side.start("short", Prompt(prompt, size.output)).result()


def _outcome(figures: Mapping[str, dict[str, Spread]], prefills: Spread) -> Outcome:
    median, tail, first = (
        compare(f"{name} of short requests", figure, figures, BUSY, IDLE)
        for name, figure in (
            ("latency p50", "latency_p50_s"),
            ("latency p95", "latency_p95_s"),
            ("first token p95", "first_token_p95_s"),
        )
    )
    intruder = {"first_token_s": prefills}
    return Outcome(
        NAME,
        (
            *(Result(ENGINE, case, of_case) for case, of_case in figures.items()),
            Result(ENGINE, "the intruder itself", intruder),
        ),
        (median, tail, first),
        (Target("latency p95 of short requests, beside the intruder / idle", tail.ratio, "<=", 3),),
        latency_ratio=median.ratio,
        notes=(
            "Both cases are ours: the ratios compare a short request beside a long prompt with one on an idle host.",
        ),
    )
