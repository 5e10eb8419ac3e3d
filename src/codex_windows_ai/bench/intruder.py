"""Workload `intruder`: short requests while another agent's long prompt is read, against an idle host."""

from __future__ import annotations

from dataclasses import dataclass, field

from codex_windows_ai.bench.context import Bench, in_turn
from codex_windows_ai.bench.figures import Comparison, Spread, Target, latency_figures
from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.outcome import Outcome, Result
from codex_windows_ai.bench.process import Reply
from codex_windows_ai.bench.workload import Text

NAME = "intruder"
OURS, IDLE, BUSY = "ours", "idle host", "beside the intruder"
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

    def figures(self) -> dict[str, Spread]:
        counts = Spread(tuple(float(len(values)) for values in self.totals))
        return {
            **latency_figures(self.totals),
            **latency_figures(self.first_tokens, "first_token"),
            "requests": counts,
        }


def run(bench: Bench, size: IntruderSize | None = None) -> Outcome:
    """Short requests come one after another, from another agent than the long prompt, and share no prefix.

    Raises EngineError: a request failed.
    """
    size = size or IntruderSize()
    samples = {IDLE: _Samples(), BUSY: _Samples()}
    prefills: list[float] = []
    ours = bench.ours()
    try:
        _ask(bench, ours, size, "warm-up")
        total = bench.rounds(ROUNDS)
        for number in range(total):
            for case in in_turn(samples, number):
                bench.progress(f"{NAME}: {case}, round {number + 1} of {total}", 0, 0)
                for values in (samples[case].totals, samples[case].first_tokens):
                    values.append([])
                if case == IDLE:
                    for request in range(size.requests):
                        _sample(samples[case], _ask(bench, ours, size, f"idle {number} {request}"))
                else:
                    prefills.append(_beside_the_intruder(bench, ours, size, samples[case], number))
    finally:
        ours.close()
    return _outcome(samples[IDLE].figures(), samples[BUSY].figures(), Spread(tuple(prefills)))


def _beside_the_intruder(bench: Bench, ours: Ours, size: IntruderSize, samples: _Samples, number: int) -> float:
    """Asks as long as the long prompt is being read; returns the seconds until its first token."""
    prompt = Text(bench.tokenizer, f"intruder {number}").tokens(size.prompt, f"Report {number}.")
    intruder = ours.worker.start(prompt, 1, agent="intruder")
    request = 0
    while request == 0 or not intruder.started:
        _sample(samples, _ask(bench, ours, size, f"busy {number} {request}"))
        request += 1
    return intruder.result().first_token


def _ask(bench: Bench, ours: Ours, size: IntruderSize, seed: str) -> Reply:
    prompt = Text(bench.tokenizer, seed).tokens(size.input, f"{seed}:")
    return ours.worker.generate(prompt, size.output, agent="short")


def _sample(samples: _Samples, reply: Reply) -> None:
    samples.totals[-1].append(reply.total)
    samples.first_tokens[-1].append(reply.first_token)


def _outcome(idle: dict[str, Spread], busy: dict[str, Spread], prefills: Spread) -> Outcome:
    def compare(name: str, figure: str) -> Comparison:
        return Comparison(f"{name} of short requests", "s", busy[figure], idle[figure], IDLE, BUSY)

    median, tail = compare("latency p50", "latency_p50_s"), compare("latency p95", "latency_p95_s")
    first = compare("first token p95", "first_token_p95_s")
    intruder = {"first_token_s": prefills}
    return Outcome(
        NAME,
        (Result(OURS, IDLE, idle), Result(OURS, BUSY, busy), Result(OURS, "the intruder itself", intruder)),
        (median, tail, first),
        (Target("latency p95 of short requests, beside the intruder / idle", tail.ratio, "<=", 3),),
        latency_ratio=median.ratio,
        notes=(
            "Both cases are ours: the ratios compare a short request beside a long prompt with one on an idle host.",
        ),
    )
