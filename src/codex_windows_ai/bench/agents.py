"""Workload `agents`: several agents at once that share a system prompt, against the status quo."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from codex_windows_ai.bench.context import Bench, SideFactory, in_turn
from codex_windows_ai.bench.figures import Comparison, Target
from codex_windows_ai.bench.outcome import Outcome, Result
from codex_windows_ai.bench.peers import LlamaServer
from codex_windows_ai.bench.rounds import Round, round_figures, run_round
from codex_windows_ai.bench.side import Side
from codex_windows_ai.bench.status_quo import SETTINGS, StatusQuo, require_genai
from codex_windows_ai.bench.workload import ConversationSize, Text, conversations

NAME = "agents"
OURS, BASELINE, PEER = "ours", "status quo", "llama-server"


def run(bench: Bench, size: ConversationSize | None = None) -> Outcome:
    """Each round starts all processes anew, so that no cache is warm and none shares memory with another side's.

    Raises NotAvailableError: the baseline's runtime is not installed. EngineError: a request failed.
    """
    require_genai()
    size = size or ConversationSize()
    trials = _try_settings(bench, size)
    settings = min(trials, key=lambda name: trials[name].seconds)
    sides: dict[str, SideFactory] = {
        BASELINE: lambda: StatusQuo(bench.children, bench.folder, size.agents, settings),
        OURS: bench.ours,
    }
    if peer := bench.peer:
        sides[PEER] = lambda: LlamaServer(bench.children, peer, slots=size.agents, slot_tokens=_longest(size))
    rounds: dict[str, list[Round]] = {name: [] for name in sides}
    total = bench.rounds()
    for number in range(total):
        for name in in_turn(sides, number):
            bench.progress(f"{NAME}: {name}, round {number + 1} of {total}", 0, 0)
            rounds[name].append(_round(bench, sides[name], size, f"round {number + 1}"))
    return _outcome(rounds, trials, settings)


def _try_settings(bench: Bench, size: ConversationSize) -> dict[str, Round]:
    trials: dict[str, Round] = {}
    for settings in SETTINGS:
        bench.progress(f"{NAME}: trying the status quo with {settings}", 0, 0)

        def start(settings: str = settings) -> Side:
            return StatusQuo(bench.children, bench.folder, size.agents, settings)

        trials[settings] = _round(bench, start, replace(size, turns=1), "trial")
    return trials


def _round(bench: Bench, start: SideFactory, size: ConversationSize, seed: str) -> Round:
    side = start()
    try:
        warm_up(bench, side, size.agents)
        return run_round(side, conversations(bench.tokenizer, size, seed), size)
    finally:
        side.close()


def warm_up(bench: Bench, side: Side, agents: int) -> None:
    """Lets every agent ask something short, so that buffers and threads exist; nothing of it is asked again."""

    def ask(agent: int) -> None:
        side.generate(agent, Text(bench.tokenizer, f"warm-up of agent {agent}").tokens(40), 4)

    with ThreadPoolExecutor(agents) as pool:
        list(pool.map(ask, range(agents)))


def _longest(size: ConversationSize) -> int:
    return size.system + size.own_context + size.turns * (size.input + size.output)


def _outcome(rounds: Mapping[str, list[Round]], trials: Mapping[str, Round], settings: str) -> Outcome:
    figures = {name: round_figures(of_side) for name, of_side in rounds.items()}
    results = [
        *(Result(f"{BASELINE}, {name}", "trial of one turn", round_figures([trial])) for name, trial in trials.items()),
        *(Result(name, "", of_side) for name, of_side in figures.items()),
    ]

    def compare(name: str, unit: str, figure: str, baseline: str = BASELINE) -> Comparison:
        return Comparison(name, unit, figures[OURS][figure], figures[baseline][figure], baseline)

    latency = compare("latency p50", "s", "latency_p50_s")
    tail = compare("latency p95", "s", "latency_p95_s")
    throughput = compare("requests a second", "1/s", "requests_per_s")
    memory = compare("memory", "bytes", "memory_bytes")
    comparisons = [latency, tail, compare("first token p50", "s", "first_token_p50_s"), throughput, memory]
    targets = [
        Target("latency p50, ours / status quo", latency.ratio, "<=", 0.2),
        Target("latency p95, ours / status quo", tail.ratio, "<=", 0.2),
        Target("requests a second, ours / status quo", throughput.ratio, ">=", 6),
        Target("memory, ours / status quo", memory.ratio, "<=", 0.25),
    ]
    if PEER in figures:
        requests = compare("requests a second", "1/s", "requests_per_s", PEER)
        first = compare("first token p50", "s", "first_token_p50_s", PEER)
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
