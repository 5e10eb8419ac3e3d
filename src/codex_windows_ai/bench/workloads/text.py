"""Text to measure with: deterministic, cut to exact numbers of tokens; and conversations made of it.

Prompts are token ids without chat markup: all sides get exactly the same, and no time goes into
templates. Another seed gives other text, so that no round finds what an earlier one left behind.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from codex_windows_ai.engine.tokenizer import Tokenizer

_WHO = (
    "The agent", "A reviewer", "The build", "Each tool", "The scheduler", "A careful engineer", "The editor",
    "The test suite", "Every commit", "The parser", "A second agent", "The release script", "The cache",
    "The operator", "A new contributor", "The index", "The terminal", "The compiler", "A long request", "The plan",
)  # fmt: skip
_DOES = (
    "reads", "explains", "checks", "rewrites", "keeps", "measures", "compares", "reports", "refuses", "prepares",
    "removes", "renames", "documents", "repeats", "collects", "orders", "limits", "describes", "updates", "verifies",
)  # fmt: skip
_WHAT = (
    "the changed files", "a failing test", "the error message", "one function at a time", "the public interface",
    "the oldest branch", "every warning", "a list of open questions", "the configuration", "the measured figures",
    "the shared prefix", "an empty answer", "the smallest example", "two versions of the text", "the log of the run",
    "a missing import", "the next step", "the size of the queue", "the table of results", "a note for the user",
)  # fmt: skip
_WHEN = (
    "before it goes on", "when the user asks", "after each step", "unless the plan says otherwise",
    "without touching anything else", "in the order of arrival", "as long as the tests pass", "and says why",
    "in plain words", "on every machine", "with the exact numbers", "until nothing is left", "only once",
    "if the folder is writable", "from the beginning", "in less than a second", "with a short summary",
    "even on a slow disk", "while others wait", "and then stops",
)  # fmt: skip


class Text:
    """An endless stream of sentences; the same for the same seed."""

    def __init__(self, tokenizer: Tokenizer, seed: str) -> None:
        self._tokenizer = tokenizer
        self._random = random.Random(seed)  # noqa: S311  # text, not secrets

    def tokens(self, count: int, opening: str = "") -> list[int]:
        """Exactly `count` tokens of text that starts with `opening`."""
        tokens = self._tokenizer.encode_text(opening)
        while len(tokens) < count:
            tokens += self._tokenizer.encode_text(self._sentence())
        return tokens[:count]

    def _sentence(self) -> str:
        choose = self._random.choice
        number = self._random.randrange(2, 1000)
        return f" {choose(_WHO)} {choose(_DOES)} {choose(_WHAT)} {choose(_WHEN)} (rule {number})."


def decode(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """The text of the tokens; what is no whole character is replaced."""
    table = tokenizer.token_bytes
    return b"".join(table[token] for token in tokens).decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class ConversationSize:
    """Agents that talk in turns; lengths are in tokens."""

    agents: int = 8
    turns: int = 4
    system: int = 1200
    own_context: int = 150
    input: int = 60
    output: int = 32

    @property
    def longest(self) -> int:
        """The length of a whole conversation."""
        return self.system + self.own_context + self.turns * (self.input + self.output)


class Conversation:
    """One agent's side of it: what all agents have in common, what it alone knows, its questions."""

    def __init__(self, opening: Sequence[int], questions: Sequence[Sequence[int]]) -> None:
        self._opening = opening
        self._questions = questions

    def prompt(self, answers: Sequence[Sequence[int]]) -> list[int]:
        """The whole conversation up to the question that follows the `answers` given so far."""
        tokens = list(self._opening)
        for question, answer in zip(self._questions, [*answers, ()], strict=False):
            tokens += [*question, *answer]
        return tokens


def conversations(tokenizer: Tokenizer, size: ConversationSize, seed: str) -> list[Conversation]:
    """One conversation for each agent, all with the same system prompt."""
    shared = Text(tokenizer, seed).tokens(size.system, f"Session {seed}. You are one of several agents.")
    result: list[Conversation] = []
    for agent in range(size.agents):
        text = Text(tokenizer, f"{seed}, agent {agent}")
        own = text.tokens(size.own_context, f"\n\nYou are agent {agent}. What you know:")
        questions = [text.tokens(size.input, f"\n\nTask {turn}:") for turn in range(size.turns)]
        result.append(Conversation(shared + own, questions))
    return result
