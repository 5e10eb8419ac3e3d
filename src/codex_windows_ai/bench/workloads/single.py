"""Workload `single`: one stream of ours, reading and writing, beside what the memory's bandwidth allows.

Decoding reads all weights, and the keys and values of everything before, once a token. The engine runs without
speculation, so that a step is a token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome, Result, Spread, Target
from codex_windows_ai.bench.floor import BUFFER_BYTES, Memory, step_bytes
from codex_windows_ai.bench.process import Worker
from codex_windows_ai.bench.sides.ours import engine
from codex_windows_ai.bench.sides.side import Prompt, Reply
from codex_windows_ai.bench.workloads.text import Text
from codex_windows_ai.engine.model import engine_threads
from codex_windows_ai.errors import InvalidRequestError

NAME = "single"
OURS, MEMORY = "ours", "memory"
_MUST = 0.65


@dataclass(frozen=True, slots=True)
class SingleSize:
    """Lengths in tokens: what is written behind `histories`; the buffer's in bytes."""

    histories: tuple[int, ...] = (128, 1500, 4000)
    output: int = 64
    buffer: int = BUFFER_BYTES


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer, and the bytes a second that memory gave just before it."""

    reply: Reply
    bandwidth: float

    @property
    def writing(self) -> float:
        """Tokens a second after the first."""
        return (len(self.reply.tokens) - 1) / (self.reply.total - self.reply.first_token)


async def run(bench: Bench, size: SingleSize | None = None) -> Outcome:
    """Memory is measured in turn with the engine.

    Raises InvalidRequestError: no history fits into the window. EngineError: the engine failed.
    """
    size = size or SingleSize()
    window = bench.folder.context_length
    histories = [history for history in size.histories if history + size.output <= window]
    if not histories:
        raise InvalidRequestError(f"The model's window of {window} tokens is too small for {NAME}.")
    measured: dict[int, list[Measured]] = {history: [] for history in histories}
    total = bench.rounds()
    threads = engine_threads(bench.folder, bench.threads)
    async with engine(bench, speculating_sequences=0) as worker:
        await worker.ask(0, Prompt(Text(bench.tokenizer, "warm-up").tokens(min(histories)), size.output))
        with Memory(threads, size.buffer) as memory:
            for number in range(total):
                for history in histories:
                    bench.progress(f"{NAME}: {history:,} tokens, round {number + 1} of {total}", 0, 0)
                    bandwidth = await asyncio.to_thread(memory.bandwidth)
                    measured[history].append(Measured(await _ask(bench, worker, size, history, number), bandwidth))
        taken = worker.memory_bytes()
    return _outcome(bench, size, measured, taken, threads)


async def _ask(bench: Bench, worker: Worker, size: SingleSize, history: int, number: int) -> Reply:
    text = Text(bench.tokenizer, f"{history} tokens, round {number + 1}")
    return await worker.ask(0, Prompt(text.tokens(history, f"Notes {history}, {number + 1}:"), size.output))


def floor_figures(of_history: Sequence[Measured], weights: int, past: int) -> dict[str, Spread]:
    """Figures of one history, a round each; a step reads `weights` and `past` bytes."""

    def spread(values: list[float]) -> Spread:
        return Spread(tuple(values))

    step = weights + past
    return {
        "reading_tokens_per_s": spread([one.reply.input_tokens / one.reply.first_token for one in of_history]),
        "writing_tokens_per_s": spread([one.writing for one in of_history]),
        "weight_bytes": spread([float(weights)]),
        "past_bytes": spread([float(past)]),
        "floor_tokens_per_s": spread([one.bandwidth / step for one in of_history]),
        "floor_share": spread([one.writing * step / one.bandwidth for one in of_history]),
    }


def _outcome(
    bench: Bench, size: SingleSize, measured: Mapping[int, list[Measured]], taken: int, threads: int
) -> Outcome:
    results: list[Result] = []
    for history, of_history in measured.items():
        # The middle of the answer stands for all of it: what is read grows by the same with each token.
        weights, past = step_bytes(bench.folder, history + size.output // 2)
        results.append(Result(OURS, f"{history:,} tokens", floor_figures(of_history, weights, past)))
    bandwidths = Spread(tuple(one.bandwidth / 1e9 for of_history in measured.values() for one in of_history))
    results.append(Result(OURS, "whole process", {"memory_bytes": Spread((float(taken),))}))
    results.append(Result(MEMORY, f"{threads} threads", {"bandwidth_gb_per_s": bandwidths}))
    left_out = [f"{history:,}" for history in size.histories if history not in measured]
    window = bench.folder.context_length
    notes = [
        "Decoding without speculation, so that a step is a token. The floor is the memory's bandwidth, measured before "
        "each answer with as many threads, by the bytes that a step reads: weights as in the file, keys and values.",
        *([f"Histories of {', '.join(left_out)} tokens do not fit into the window of {window:,}."] if left_out else []),
    ]
    shares = [(result.case, result.figures["floor_share"]) for result in results if "floor_share" in result.figures]
    return Outcome(
        NAME,
        tuple(results),
        (),
        tuple(Target(f"share of the floor behind {case}", share, ">=", _MUST) for case, share in shares),
        notes=tuple(notes),
    )
