"""Errors as Anthropic's clients read them, and by what such a client is known.

Format: https://platform.claude.com/docs/en/api/errors; `code`, `param`, `hint` and `details` are ours.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

from codex_windows_ai.errors import ContextLengthExceededError, PromptTooLongError, WindowsAiError
from codex_windows_ai.protocol.wire_errors import error_body

PATH = "/v1/messages"
VERSION_HEADER = "anthropic-version"
"""Which every client of Anthropic's sends, and no other."""

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def speaks_anthropic(scope: Scope) -> bool:
    """Whether a request is of Anthropic's API, by its path or its header."""
    path = str(scope.get("path", ""))
    return path == PATH or path.startswith(f"{PATH}/") or VERSION_HEADER in Headers(scope=scope)


def anthropic_error(error: WindowsAiError) -> dict[str, Any]:
    """The body of an answer that failed: `{"type": "error", "error": {type, message, …}}`."""
    described: dict[str, Any] = error_body(error)["error"]
    return as_anthropic(described | {"message": _words(error, described["message"])}, error.http_status)


def as_anthropic(described: dict[str, Any], status: int) -> dict[str, Any]:
    """An error that is described as OpenAI's clients read it, with the type that it has for Anthropic's."""
    usual = "api_error" if status >= 500 else "invalid_request_error"
    return {"type": "error", "error": {**described, "type": _TYPES.get(status, usual)}}


def _words(error: WindowsAiError, message: str) -> str:
    """The message; of a prompt that is too long in the words by which clients know it, and read both numbers."""
    if isinstance(error, ContextLengthExceededError):
        return f"prompt is too long: {error.prompt_tokens} tokens > {error.context_length - 1} maximum"
    return f"prompt is too long: {message}" if isinstance(error, PromptTooLongError) else message
