"""What the tools return, the same in `structuredContent` and, as JSON, in the text beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from codex_windows_ai.protocol.answer import FinishReason, Timings, Usage
from codex_windows_ai.protocol.source import AnswerSource

TRANSPORT = "mcp"


class Refused(BaseModel):
    """A provider that would have been preferred."""

    provider: str
    reason: str


class Milliseconds(BaseModel):
    """Where an answer's time went."""

    queue: float
    prefill: float
    decode: float
    total: float


class Loosened(BaseModel):
    """What of a schema is not kept to."""

    format: Literal["json_schema"] = "json_schema"
    reason: str


class AnsweredBy(BaseModel):
    """Who answered, and why nobody better did: the key `windows_ai` of every door's answers."""

    provider: str
    device: str
    execution_provider: str
    model: str
    transport: str
    refused: list[Refused]
    left_out: list[str] = []
    loosened: list[Loosened] = []
    timings_ms: Milliseconds | None = None

    @classmethod
    def of(cls, source: AnswerSource, timings: Timings | None = None, *, loosened: str = "") -> AnsweredBy:
        """What a client of this door is told; `loosened` is why the answer's schema is not wholly kept to."""
        return cls(
            provider=source.provider,
            device=source.device,
            execution_provider=source.execution_provider,
            model=source.model,
            transport=TRANSPORT,
            refused=[Refused(provider=name, reason=reason) for name, reason in source.refused],
            left_out=list(source.left_out),
            loosened=[Loosened(reason=loosened)] if loosened else [],
            timings_ms=timings
            and Milliseconds(
                queue=round(timings.queue, 1),
                prefill=round(timings.prefill, 1),
                decode=round(timings.decode, 1),
                total=round(timings.total, 1),
            ),
        )


class TokenUsage(BaseModel):
    """Tokens of one request; the cached ones were not computed again, and those of reasoning are in no text.

    Some providers only let them be estimated.
    """

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0
    estimated: bool

    @classmethod
    def of(cls, usage: Usage) -> TokenUsage:
        """The engine's own figures."""
        return cls(
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            estimated=usage.estimated,
        )


class AnswerResult(BaseModel):
    """A model's answer; usage and finish_reason are null where the provider tells none."""

    text: str
    finish_reason: FinishReason | None = None
    usage: TokenUsage | None = None
    windows_ai: AnsweredBy


class ActionDescription(BaseModel):
    """One thing that this machine can do; `invoke_action` takes those that are available and take one text."""

    id: str
    name: str
    description: str
    kind: Literal["built-in", "app"]
    app: str | None
    available: bool
    takes_one_text: bool


class ActionCatalogue(BaseModel):
    """Everything that this machine can do for a text, and more that its apps offer."""

    actions: list[ActionDescription]


class OptimizedPath(BaseModel):
    """The library of the best GPU execution provider; null with the reason where none is used."""

    path: str | None
    execution_provider: str | None
    adapter: str | None
    reason: str
