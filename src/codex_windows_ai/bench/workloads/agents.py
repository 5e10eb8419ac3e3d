"""Workload `agents`: several agents at once that share a system prompt, against the status quo."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from codex_windows_ai.bench.context import Bench
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target, compare, latency_figures
from codex_windows_ai.bench.measure import Round, ask_at_once
from codex_windows_ai.bench.sides.engine import engine
from codex_windows_ai.bench.sides.llama_server import llama_server
from codex_windows_ai.bench.sides.side import Prompt, Reply, Side, Start
from codex_windows_ai.bench.sides.status_quo import require_genai, status_quo, try_settings
from codex_windows_ai.bench.workloads.text import Conversation, ConversationSize, Text, conversations
from codex_windows_ai.errors import EngineError

NAME = "agents"
ENGINE, STATUS_QUO, LLAMA_SERVER = "ours", "status quo", "llama-server"


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
    if peer := bench.peer:
        sides[LLAMA_SERVER] = lambda: llama_server(bench.children, peer, slots=size.agents, slot_tokens=size.longest)
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
