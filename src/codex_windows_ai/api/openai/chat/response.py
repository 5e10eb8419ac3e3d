"""What POST /v1/chat/completions answers.

Format: https://platform.openai.com/docs/api-reference/chat/object and .../chat/streaming; the key
`windows_ai` is ours. Fields that were not set are left out when these are written.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from codex_windows_ai.api.openai.usage import CompletionUsage

FinishReason = Literal["stop", "length", "tool_calls"]


class TokenLogprob(BaseModel):
    """A token with its natural-log probability before any sampling filter."""

    token: str
    bytes: list[int]
    logprob: float


class ContentLogprob(TokenLogprob):
    """A token of the answer, and the likeliest ones in its place."""

    top_logprobs: list[TokenLogprob]


class ChoiceLogprobs(BaseModel):
    """The tokens of the answer's text, one by one."""

    content: list[ContentLogprob]
    refusal: None = None


class FunctionCallBody(BaseModel):
    """A function and the JSON text of its arguments; in a stream, more of that text."""

    name: str = ""
    arguments: str


class CustomToolCallBody(BaseModel):
    """A custom tool and its input; in a stream, more of it."""

    name: str = ""
    input: str


class ToolCall(BaseModel):
    """A call of a tool."""

    id: str
    type: Literal["function", "custom"]
    function: FunctionCallBody | None = None
    custom: CustomToolCallBody | None = None


class ToolCallDelta(BaseModel):
    """More of the call with this index; its first piece names it."""

    index: int
    id: str | None = None
    type: Literal["function", "custom"] | None = None
    function: FunctionCallBody | None = None
    custom: CustomToolCallBody | None = None


class AnswerMessage(BaseModel):
    """The answer; `reasoning_content` is what the model thought before it."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    reasoning_content: str | None = None
    refusal: None = None
    tool_calls: list[ToolCall] | None = None


class Delta(BaseModel):
    """More of the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    refusal: None = None
    tool_calls: list[ToolCallDelta] | None = None


class Choice(BaseModel):
    """The one answer and why it ended."""

    index: Literal[0]
    message: AnswerMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason


class ChunkChoice(BaseModel):
    """More of the one answer."""

    index: Literal[0]
    delta: Delta
    logprobs: ChoiceLogprobs | None = None
    finish_reason: FinishReason | None


class ChatCompletion(BaseModel):
    """A whole answer. The same `seed` and `system_fingerprint` give the same answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    system_fingerprint: str
    windows_ai: dict[str, Any] | None


class ChatCompletionChunk(BaseModel):
    """A piece of an answer; the last ones have `windows_ai`, and `usage` where it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None
    windows_ai: dict[str, Any] | None = None
