"""One stream alone: how fast a prompt of some length is read, and how fast is written behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codex_windows_ai.bench.figures import Spread
from codex_windows_ai.bench.sides.chat_server import ChatQuestion, ChatReply, ChatServer
from codex_windows_ai.bench.workloads.text import Text, decode
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import EngineError

READING = 1000
"""Tokens of a prompt from which on the time to the first token says how fast prompts are read."""
LEAST_WRITTEN = 8
"""Tokens after the first piece of an answer, for a speed of writing."""
_CUT = 0.9
_REQUEST = "\n\nRetell all of these notes at length, in your own words, and go through every single one of them."


@dataclass(frozen=True, slots=True)
class AloneSize:
    """Prompts of so many tokens, each with an answer of at most `output`."""

    prompts: tuple[int, ...] = (128, 1500, 2048, 4000)
    output: int = 64

    def fitting(self, window: int) -> list[int]:
        """The prompts for which, with markup and answer, a model's window has room."""
        return [prompt for prompt in self.prompts if prompt + prompt // 16 + 32 + self.output <= window]


def prompt_messages(tokenizer: Tokenizer, length: int, seed: str) -> tuple[dict[str, str], ...]:
    """A question of about `length` tokens that begs for a long answer; no prefix of it was ever read."""
    kept = max(1, length - len(tokenizer.encode_text(_REQUEST)))
    notes = decode(tokenizer, Text(tokenizer, seed).tokens(kept, f"Notes of {seed}."))
    return ({"role": "user", "content": notes + _REQUEST},)


async def read_and_write(side: ChatServer, tokenizer: Tokenizer, length: int, output: int, seed: str) -> ChatReply:
    """Asks once. Raises EngineError: the request failed, or the server read less than it was given."""
    question = ChatQuestion(prompt_messages(tokenizer, length, seed), output)
    reply = await side.ask(0, question)
    if reply.counted_input is not None and reply.counted_input < _CUT * length:
        raise EngineError(
            f"{side.name} was given a prompt of {length} tokens and says that it read {reply.counted_input}.",
            hint="Start it with a larger window, and so that it cuts no prompt.",
        )
    return reply


def alone_figures(replies: Sequence[ChatReply]) -> dict[str, Spread]:
    """What one prompt's replies say, a round each; no speed of writing where a model had nothing to say."""
    figures = {
        "first_token_s": Spread(tuple(reply.first_token for reply in replies)),
        "written_tokens": Spread(tuple(float(len(reply.tokens)) for reply in replies)),
    }
    if all(reply.input_tokens >= READING for reply in replies):
        figures["reading_tokens_per_s"] = Spread(tuple(reply.input_tokens / reply.first_token for reply in replies))
    if all(reply.writing_tokens >= LEAST_WRITTEN and reply.writing_seconds > 0 for reply in replies):
        figures["writing_tokens_per_s"] = Spread(
            tuple(reply.writing_tokens / reply.writing_seconds for reply in replies)
        )
    return figures
