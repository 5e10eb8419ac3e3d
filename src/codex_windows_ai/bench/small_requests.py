"""Small requests as agents make them all day: a fixed instruction, a short item, one of a few words as answer."""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.bench.workload import Text
from codex_windows_ai.engine.tokenizer import Tokenizer

CHOICES = ("bug", "feature", "question", "docs")
SCHEMA = {"enum": list(CHOICES)}


@dataclass(frozen=True, slots=True)
class SmallRequestsSize:
    """Agents that all use the same instruction; lengths are in tokens, `requests` are those of each agent."""

    agents: int = 8
    requests: int = 6
    instruction: int = 400
    item: int = 24


@dataclass(frozen=True, slots=True)
class SmallRequests:
    """The instruction, and what each agent has classified, one after another."""

    instruction: str
    items: tuple[tuple[str, ...], ...]


def small_requests(tokenizer: Tokenizer, size: SmallRequestsSize, seed: str) -> SmallRequests:
    """Another seed gives other text, so that no round finds what an earlier one left behind."""

    def text(source: Text, length: int, opening: str) -> str:
        table = tokenizer.token_bytes
        return b"".join(table[token] for token in source.tokens(length, opening)).decode()

    opening = f"Session {seed}. Classify each report as one of: {', '.join(CHOICES)}. Rules:"
    return SmallRequests(
        text(Text(tokenizer, seed), size.instruction, opening),
        tuple(
            tuple(
                text(Text(tokenizer, f"{seed}, agent {agent}, {number}"), size.item, f"Report {agent}.{number}:")
                for number in range(size.requests)
            )
            for agent in range(size.agents)
        ),
    )
