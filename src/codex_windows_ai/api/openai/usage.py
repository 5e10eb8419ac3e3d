"""Counts of tokens as the chat and completions APIs tell them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from codex_windows_ai.protocol.answer import Usage


class PromptTokensDetails(BaseModel):
    """How many of the prompt's tokens were not computed again, and how many the cache has since."""

    cached_tokens: int
    cache_write_tokens: int


class CompletionTokensDetails(BaseModel):
    """How many of the answer's tokens were thought and not said."""

    reasoning_tokens: int


class CompletionUsage(BaseModel):
    """Exact counts of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


def usage_of(answers: Sequence[Usage]) -> CompletionUsage:
    """The counts of one answer, or of several together."""
    read = sum(usage.input_tokens for usage in answers)
    written = sum(usage.output_tokens for usage in answers)
    return CompletionUsage(
        prompt_tokens=read,
        completion_tokens=written,
        total_tokens=read + written,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=sum(usage.cached_tokens for usage in answers),
            cache_write_tokens=sum(usage.written_tokens for usage in answers),
        ),
        completion_tokens_details=CompletionTokensDetails(
            reasoning_tokens=sum(usage.reasoning_tokens for usage in answers)
        ),
    )
