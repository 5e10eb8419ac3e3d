"""One round of several agents that talk at once, and what it gave."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from codex_windows_ai.bench.figures import Spread, latency_figures
from codex_windows_ai.bench.process import Reply
from codex_windows_ai.bench.side import PeakMemory, Side
from codex_windows_ai.bench.workload import Conversation, ConversationSize
from codex_windows_ai.errors import EngineError


@dataclass(frozen=True, slots=True)
class Round:
    """All replies of one round; `seconds` from the first question to the last answer."""

    replies: tuple[Reply, ...]
    input_tokens: int
    seconds: float
    memory_bytes: int


def run_round(side: Side, talks: Sequence[Conversation], size: ConversationSize) -> Round:
    """Lets all agents start at the same moment; each asks its next question once it is answered.

    Raises EngineError: a request failed, or an answer has not as many tokens as it must have.
    """
    started = threading.Barrier(len(talks) + 1)

    def talk(agent: int) -> tuple[list[Reply], int]:
        replies: list[Reply] = []
        given = 0
        started.wait()
        for _ in range(size.turns):
            prompt = talks[agent].prompt([reply.tokens for reply in replies])
            reply = side.generate(agent, prompt, size.output)
            if len(reply.tokens) != size.output:
                raise EngineError(f"{side.name} gave {len(reply.tokens)} tokens instead of {size.output}.")
            replies.append(reply)
            given += len(prompt)
        return replies, given

    with ThreadPoolExecutor(len(talks)) as pool, PeakMemory(side) as memory:
        futures = [pool.submit(talk, agent) for agent in range(len(talks))]
        started.wait()
        begin = time.perf_counter()
        results = [future.result() for future in futures]
        seconds = time.perf_counter() - begin
    replies = tuple(reply for one, _ in results for reply in one)
    return Round(replies, sum(given for _, given in results), seconds, memory.bytes)


def round_figures(rounds: Sequence[Round]) -> dict[str, Spread]:
    """The figures of one side over its rounds; seconds, bytes, and shares of one."""
    outputs = [sum(len(reply.tokens) for reply in one.replies) for one in rounds]
    cached = [sum(reply.cached_tokens for reply in one.replies) for one in rounds]
    pairs = list(zip(rounds, outputs, strict=True))
    return {
        **latency_figures([[reply.total for reply in one.replies] for one in rounds]),
        **latency_figures([[reply.first_token for reply in one.replies] for one in rounds], "first_token"),
        "requests_per_s": Spread(tuple(len(one.replies) / one.seconds for one in rounds)),
        "output_tokens_per_s": Spread(tuple(tokens / one.seconds for one, tokens in pairs)),
        "memory_bytes": Spread(tuple(float(one.memory_bytes) for one in rounds)),
        "cached_share": Spread(tuple(c / one.input_tokens for c, one in zip(cached, rounds, strict=True))),
        "seconds": Spread(tuple(one.seconds for one in rounds)),
    }
