"""What is answered: pieces of an answer as they come, the last with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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

    `token` is what it adds to the text: no bytes for the one that ends the answer.
    """

    token_id: int
    token: bytes = b""
    logprob: float | None = None
    alternatives: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request; `cached_tokens` of the input were not computed again.

    They are exact unless `estimated` says that they were guessed from the length of the text, as
    for a model that does not tell.
    """

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    estimated: bool = False


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
class Delta:
    """A piece of an answer. The last one has `finish_reason`, `usage` and `timings` set."""

    text: str = ""
    tokens: tuple[ChosenToken, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    timings: Timings | None = None
