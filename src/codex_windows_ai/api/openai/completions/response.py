"""What POST /v1/completions answers.

Format: https://platform.openai.com/docs/api-reference/completions/object; the key `windows_ai` is ours.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from codex_windows_ai.api.openai.usage import CompletionUsage


class TextLogprobs(BaseModel):
    """The tokens of an answer's text: each as text, with its place in characters, and the likeliest in its stead."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class TextChoice(BaseModel):
    """One answer, in a stream more of it."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length"] | None


class Completion(BaseModel):
    """Whole answers, or a piece of one; the last pieces have `windows_ai`, and `usage` where it was asked for."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None
    windows_ai: dict[str, Any] | None = None
