"""What is answered: pieces of an answer as they come, the last with its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from codex_windows_ai.protocol.tools import ToolName

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token the model considered, with its natural-log probability before any sampling filter."""

    token_id: int
    token: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class ChosenToken:
    """One generated token, with the alternatives asked for through `top_logprobs`.

    `token` is what it adds to the answer's text: no bytes for the one that ends it, and for those of what a model
    thinks before.
    """

    token_id: int
    token: bytes = b""
    logprob: float | None = None
    alternatives: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request; `cached_tokens` of the input were not computed again, `written_tokens` of it are in
    the prefix cache since.

    `reasoning_tokens` of the output are what the model thought before it answered, marks included. They are exact
    unless `estimated` says that they were guessed from the length of the text, as for a model that does not tell.
    """

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    estimated: bool = False
    reasoning_tokens: int = 0
    written_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Where a request's time went, in milliseconds.

    `queue` from submission to the first work on it, `prefill` from there to the first token,
    `decode` from the first token to the last, `total` over all. `drafted` and `accepted` count
    tokens guessed by speculation and found right.
    """

    queue: float
    prefill: float
    decode: float
    total: float
    drafted: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text that follows on what came before."""

    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class ReasoningPiece:
    """More of what the model thinks before it answers."""

    text: str
    type: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The model calls `tool`; the pieces of what it passes follow.

    `call_id` is what the model itself calls the call, in families that do; else whoever shows it gives it a name.
    """

    tool: ToolName
    type: Literal["call_begun"] = "call_begun"
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """More of the arguments (JSON text), or of a custom tool's input."""

    text: str
    type: Literal["call_piece"] = "call_piece"


@dataclass(frozen=True, slots=True)
class CallEnded:
    """All that the call passes. One that is not `complete` was cut off and must not be run."""

    tool: ToolName
    body: str
    complete: bool = True
    type: Literal["call_ended"] = "call_ended"
    call_id: str = ""
    """As of its beginning."""


AnswerPart = TextPiece | ReasoningPiece | CallBegun | CallPiece | CallEnded


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. The last one has `finish_reason`, `usage` and `timings` set, and `stop_sequence` where a
    text that was asked to end the answer did. `repeated` is how many tokens it said over and over, where that ended it.

    `text` is what it adds to the answer's text. Where it holds anything else, `parts` are all of it in order;
    a piece of text alone has none.
    """

    text: str = ""
    tokens: tuple[ChosenToken, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    parts: tuple[AnswerPart, ...] = ()
    stop_sequence: str | None = None
    repeated: int | None = None

    @property
    def pieces(self) -> tuple[AnswerPart, ...]:
        """All that it holds, in order."""
        return self.parts or ((TextPiece(self.text),) if self.text else ())

    def holding(self, parts: Sequence[AnswerPart]) -> Delta:
        """The same with these parts in place of its text."""
        text = "".join(part.text for part in parts if isinstance(part, TextPiece))
        only_text = all(isinstance(part, TextPiece) for part in parts)
        return replace(self, text=text, parts=() if only_text else tuple(parts))


def joined(deltas: Sequence[Delta]) -> Delta:
    """Neighbouring pieces as one, without their tokens; the last one's figures are its own."""
    return replace(deltas[-1], tokens=()).holding([part for delta in deltas for part in delta.pieces])
