"""Workload `compare`: our host and other servers over HTTP, in turn, on the same questions.

Five agents at once, then one stream alone, then a check of quality. The questions are the same for all sides in a
round, and new in each round of each run: a rival that serves for days remembers what earlier runs asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from typing import Literal

from codex_windows_ai.bench.bench import Bench, Round
from codex_windows_ai.bench.figures import Comparison, Outcome, Result, Spread, Target, compare
from codex_windows_ai.bench.sides.chat_server import ChatReply, ChatServer, our_host, peer_server
from codex_windows_ai.bench.sides.peers import OURS, Peer
from codex_windows_ai.bench.workloads.agents import conversation_figures
from codex_windows_ai.bench.workloads.alone import AloneSize, alone_figures, read_and_write
from codex_windows_ai.bench.workloads.branching import BranchingSize, branch_out, branching_talks
from codex_windows_ai.bench.workloads.greedy import QUALITY, Greedy, ask_greedily, judge
from codex_windows_ai.errors import InvalidRequestError, NotAvailableError

NAME = "compare"
_MARGIN = 256
"""Tokens of a slot beyond the longest prompt and answer, for markup."""
_MEMORY = "memory_bytes"

Figures = dict[str, dict[str, dict[str, Spread]]]
"""By case, side and name."""


@dataclass(frozen=True, slots=True)
class CompareSize:
    """What is asked in each round, and of each answer of the check of quality how many tokens."""

    agents: BranchingSize = field(default_factory=BranchingSize)
    alone: AloneSize = field(default_factory=AloneSize)
    greedy_tokens: int = 48


@dataclass(frozen=True, slots=True)
class Row:
    """A figure that is compared, and what the best of the peers must be beaten by, where something must be."""

    title: str
    case: str
    figure: str
    bound: Literal["<=", ">="] = ">="
    limit: float | None = None


async def run(bench: Bench, size: CompareSize | None = None) -> Outcome:
    """All sides are alive all the time, and only one is asked at a time.

    Raises InvalidRequestError: no peer is named, or the window is too small. EngineError: a side does not answer.
    """
    size = size or CompareSize()
    check_peers(bench.peers)
    if bench.folder.context_length < size.agents.longest:
        raise InvalidRequestError(
            f"The model's window has {bench.folder.context_length} tokens, the conversations {size.agents.longest}.",
            hint="Choose a model with a larger window.",
        )
    run_name = secrets.token_hex(4)
    prompts = size.alone.fitting(bench.folder.context_length)
    slots, longest = size.agents.agents, max([size.agents.longest, *prompts])
    slot_tokens = min(longest + size.alone.output + _MARGIN, bench.folder.context_length)
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(peer_server(bench, peer, slots=slots, slot_tokens=slot_tokens))
            for peer in bench.peers
        ]
        servers.insert(0, await stack.enter_async_context(our_host(bench)))
        sides = {server.name: server for server in servers}
        for side in sides.values():
            await _warm_up(bench, side, size, run_name)
        rounds = await _agents(bench, sides, size.agents, run_name)
        alone = await _alone(bench, sides, size.alone, prompts, run_name)
        greedy = {name: await ask_greedily(side, size.greedy_tokens) for name, side in sides.items()}
    return _outcome(bench, size, rounds, alone, greedy)


def check_peers(peers: Sequence[Peer]) -> None:
    """Raises InvalidRequestError: no peer is named."""
    if not peers:
        raise InvalidRequestError(
            "`bench compare` needs somebody to compare with.",
            hint="Name a server with `--peer NAME=http://HOST:PORT`, or llama-server with `--peer NAME=PATH`.",
        )


async def _warm_up(bench: Bench, side: ChatServer, size: CompareSize, run_name: str) -> None:
    """A prompt as long as the agents', so that buffers and threads exist and models are loaded."""
    await read_and_write(side, bench.tokenizer, size.agents.system, size.alone.output, f"{run_name}, warm-up")


async def _agents(
    bench: Bench, sides: Mapping[str, ChatServer], size: BranchingSize, run_name: str
) -> dict[str, list[Round]]:
    rounds: dict[str, list[Round]] = {name: [] for name in sides}
    total = bench.rounds()
    for number in range(total):
        talks = branching_talks(bench.tokenizer, size, f"{run_name}, round {number + 1}")
        for name in bench.turns(f"{NAME}, {size.agents} agents", sides, number, total):
            rounds[name].append(await branch_out(sides[name], talks, size))
    return rounds


@dataclass(frozen=True, slots=True)
class _Alone:
    """By prompt length, then by side: a reply a round, and why a side has none."""

    replies: dict[int, dict[str, list[ChatReply]]]
    refusals: dict[tuple[int, str], str]


async def _alone(
    bench: Bench, sides: Mapping[str, ChatServer], size: AloneSize, prompts: Sequence[int], run_name: str
) -> _Alone:
    found = _Alone({prompt: {name: [] for name in sides} for prompt in prompts}, {})
    total = bench.rounds()
    for number in range(total):
        for prompt in prompts:
            seed = f"{run_name}, round {number + 1}, {prompt} tokens"
            for name in bench.turns(f"{NAME}, {prompt:,} tokens alone", sides, number, total):
                if (prompt, name) in found.refusals:
                    continue
                try:
                    reply = await read_and_write(sides[name], bench.tokenizer, prompt, size.output, seed)
                except NotAvailableError as error:
                    if name == OURS:
                        raise
                    found.refusals[prompt, name] = error.message  # its window may be smaller than ours
                    found.replies[prompt].pop(name)
                else:
                    found.replies[prompt][name].append(reply)
    return found


def _outcome(
    bench: Bench,
    size: CompareSize,
    rounds: Mapping[str, list[Round]],
    alone: _Alone,
    greedy: Mapping[str, Greedy],
) -> Outcome:
    agents = f"{size.agents.agents} agents"
    figures: Figures = {agents: {name: _agent_figures(of_side) for name, of_side in rounds.items()}}
    for prompt, of_prompt in alone.replies.items():
        figures[_alone_case(prompt)] = {name: alone_figures(replies) for name, replies in of_prompt.items()}
    figures[QUALITY], judged = judge(bench, greedy)
    rows = _rows(agents, list(alone.replies))
    peers = [peer.name for peer in bench.peers]
    comparisons = [found for peer in peers for row in rows if (found := _compared(figures, row, peer))]
    ratio = partial(_ratio, figures, agents, peers[0])
    return Outcome(
        NAME,
        tuple(Result(name, case, of_side) for case, sides in figures.items() for name, of_side in sides.items()),
        tuple(comparisons),
        tuple(found for row in rows if (found := target(figures, row, peers))),
        latency_ratio=ratio("latency_p50_s"),
        throughput_ratio=ratio("requests_per_s"),
        memory_ratio=ratio(_MEMORY),
        notes=(*_notes(bench, size, figures, alone), *judged),
    )


def _agent_figures(rounds: Sequence[Round]) -> dict[str, Spread]:
    figures = conversation_figures(rounds)
    lengths = [[len(reply.tokens) for reply in one.replies] for one in rounds]
    figures["answer_tokens"] = Spread(tuple(fmean(of_round) for of_round in lengths))
    if not all(figures[_MEMORY].rounds):
        del figures[_MEMORY]  # nobody told which process it is
    if not any(figures["cached_share"].rounds):
        del figures["cached_share"]  # nor does every server say what it remembered
    return figures


def _alone_case(prompt: int) -> str:
    return f"alone, {prompt:,} tokens"


def _rows(agents: str, prompts: Sequence[int]) -> list[Row]:
    reading = [Row(f"reading {n:,} tokens", _alone_case(n), "reading_tokens_per_s") for n in prompts]
    writing = [Row(f"writing behind {n:,} tokens", _alone_case(n), "writing_tokens_per_s") for n in prompts]
    if 2048 in prompts:
        place = prompts.index(2048)
        reading[place] = Row(reading[place].title, reading[place].case, reading[place].figure, ">=", 1.0)
    return [
        Row("answers a second", agents, "requests_per_s", ">=", 1.8),
        Row("tokens written a second", agents, "output_tokens_per_s"),
        Row("answer p50", agents, "latency_p50_s"),
        Row("answer p95", agents, "latency_p95_s", "<=", 0.8),
        Row("first token p50", agents, "first_token_p50_s"),
        Row("first token p95", agents, "first_token_p95_s", "<=", 0.8),
        Row("memory", agents, _MEMORY, "<=", 1.1),
        Row("tokens an answer", agents, "answer_tokens"),
        *reading,
        *writing,
        Row("float32 would choose the same token", QUALITY, "float32_agrees_share"),
    ]


def _compared(figures: Figures, row: Row, peer: str) -> Comparison | None:
    """Ours beside a peer's; None where one of them has no such figure."""
    of_case = figures[row.case]
    if any(row.figure not in of_case.get(name, {}) for name in (OURS, peer)):
        return None
    return compare(row.title, row.figure, of_case, OURS, peer)


def _ratio(figures: Figures, case: str, peer: str, figure: str) -> Spread | None:
    found = _compared(figures, Row(figure, case, figure), peer)
    return found.ratio if found else None


def target(figures: Figures, row: Row, peers: Sequence[str]) -> Target | None:
    """What must be reached against the best of the peers, by its median."""
    found = [comparison for peer in peers if (comparison := _compared(figures, row, peer))]
    if row.limit is None or not found:
        return None
    choose = max if row.bound == ">=" else min
    best = choose(found, key=lambda comparison: comparison.baseline.median)
    return Target(f"{row.title}, ours / {best.baseline_name}", best.ratio, row.bound, row.limit)


def _notes(bench: Bench, size: CompareSize, figures: Figures, alone: _Alone) -> list[str]:
    of_agents = figures[f"{size.agents.agents} agents"]
    lengths = ", ".join(f"{name} {of_side['answer_tokens'].median:.1f}" for name, of_side in of_agents.items())
    notes = [
        "The latency, throughput and memory ratios are those of the agents, against the first rival that was named; "
        "targets are against the best rival in that figure.",
        f"Answers end by themselves or at their limit. Mean length in tokens of our tokenizer: {lengths}.",
    ]
    if unknown := [name for name, of_side in of_agents.items() if _MEMORY not in of_side]:
        notes.append(f"Memory of {', '.join(unknown)} is not known: `--pid NAME=PID` tells the process.")
    notes += [f"{name} was not measured at {prompt:,} tokens: {why}" for (prompt, name), why in alone.refusals.items()]
    if left_out := [f"{n:,}" for n in size.alone.prompts if n not in alone.replies]:
        window = bench.folder.context_length
        notes.append(f"Prompts of {', '.join(left_out)} tokens do not fit into the window of {window:,}.")
    for case, sides in figures.items():
        short = [name for name, of_side in sides.items() if case.startswith("alone") and _is_short(of_side)]
        notes += [f"{name} has no speed of writing, {case}: an answer was too short." for name in short]
    return notes


def _is_short(figures: Mapping[str, Spread]) -> bool:
    return bool(figures) and "writing_tokens_per_s" not in figures
