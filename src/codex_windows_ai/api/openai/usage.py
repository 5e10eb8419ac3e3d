"""Counts of tokens as the chat and completions APIs tell them."""

from __future__ import annotations

from codex_windows_ai.api.openai.chat.response import CompletionTokensDetails, CompletionUsage, PromptTokensDetails
from codex_windows_ai.protocol.answer import Usage


def usage_of(usage: Usage) -> CompletionUsage:
    """The counts of one answer, or of several together."""
    return CompletionUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=usage.cached_tokens, cache_write_tokens=usage.written_tokens
        ),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=usage.reasoning_tokens),
    )
