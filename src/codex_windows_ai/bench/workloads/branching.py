"""Conversations of several agents, in messages: a prefix in common, branches of it, and one agent that gives up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codex_windows_ai.bench.bench import Round, ask_at_once
from codex_windows_ai.bench.sides.chat_server import GIVEN_UP, ChatQuestion, ChatServer
from codex_windows_ai.bench.sides.side import Reply
from codex_windows_ai.bench.workloads.text import Text, decode
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import EngineError

_MARKUP = 16
"""Tokens that a chat template puts around a message, at most."""


@dataclass(frozen=True, slots=True)
class BranchingSize:
    """Lengths in tokens. `answers` are the limits that questions have in turn, each agent beginning with another."""

    agents: int = 5
    turns: int = 4
    system: int = 700
    branches: int = 3
    branch: int = 150
    input: int = 40
    answers: tuple[int, ...] = (8, 24, 48, 96)
    give_up_turn: int = 2
    """The turn, from 0, in which the last agent leaves, after `give_up_after` pieces of the answer."""
    give_up_after: int = 4

    @property
    def longest(self) -> int:
        """The length of a whole conversation, with markup."""
        return self.system + self.branch + self.turns * (self.input + max(self.answers) + 2 * _MARKUP) + _MARKUP


@dataclass(frozen=True, slots=True)
class BranchingTalk:
    """One agent's side of a conversation: what all agents are told, and its questions; the first has its branch."""

    system: str
    questions: tuple[str, ...]


def branching_talks(tokenizer: Tokenizer, size: BranchingSize, seed: str) -> list[BranchingTalk]:
    """One for each agent; agent N is of branch N modulo the number of branches."""

    def text(of: str, count: int, opening: str) -> str:
        return decode(tokenizer, Text(tokenizer, f"{seed}, {of}").tokens(count, opening))

    system = text("system", size.system, f"Session {seed}. You are one of several agents. Answer in plain sentences.")
    branches = [text(f"branch {number}", size.branch, f"Part {number} of the work.") for number in range(size.branches)]
    talks: list[BranchingTalk] = []
    for agent in range(size.agents):
        questions = [
            text(f"agent {agent}, turn {turn}", size.input, f"Agent {agent}, task {turn}: describe what happens when")
            for turn in range(size.turns)
        ]
        questions[0] = f"{branches[agent % size.branches]}\n\n{questions[0]}"
        talks.append(BranchingTalk(system, tuple(questions)))
    return talks


async def branch_out(side: ChatServer, talks: Sequence[BranchingTalk], size: BranchingSize) -> Round:
    """All agents talk at once; each asks its next question once it is answered, the last one also once it gave up.

    The round has the answers that were read to their end. Raises EngineError: a request failed, or nothing was written.
    """

    async def talk(agent: int) -> list[Reply]:
        messages = [{"role": "system", "content": talks[agent].system}]
        replies: list[Reply] = []
        for turn, question in enumerate(talks[agent].questions):
            messages.append({"role": "user", "content": question})
            leaves = agent == size.agents - 1 and turn == size.give_up_turn
            reply = await side.ask(
                agent,
                ChatQuestion(
                    tuple(messages),
                    size.answers[(agent + turn) % len(size.answers)],
                    give_up_after=size.give_up_after if leaves else None,
                ),
            )
            messages.append({"role": "assistant", "content": reply.text})
            if reply.finish_reason != GIVEN_UP:
                replies.append(reply)
        return replies

    found = await ask_at_once(side, [talk(agent) for agent in range(size.agents)])
    if not any(reply.tokens for reply in found.replies):
        raise EngineError(f"{side.name} answered all {len(found.replies)} questions with nothing.")
    return found
