"""Errors on the wire, as OpenAI's clients read them, and back.

Format: https://platform.openai.com/docs/guides/error-codes/api-errors; `hint` and `details` are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.json_text import whole_characters
from codex_windows_ai.protocol.json_values import as_object

_OWN = ("message", "hint", "param")


def error_body(error: WindowsAiError) -> dict[str, Any]:
    """The body of an answer that failed: `{"error": {message, type, param, code, hint, details}}`.

    The message ends with the hint, because most clients show nothing else.
    """
    return {
        "error": {
            "message": _sendable(error.message_and_hint),
            "type": _type_of(error),
            "param": _sendable(getattr(error, "param", None)),
            "code": error.code,
            "hint": _sendable(error.hint),
            "details": {name: _sendable(value) for name, value in vars(error).items() if name not in _OWN},
        }
    }


def _sendable(value: Any) -> Any:
    """A text as UTF-8 can carry it: what it quotes of a request may have half a surrogate pair."""
    return whole_characters(value) if isinstance(value, str) else value


def fault_of(error: Exception) -> WindowsAiError:
    """What a client is told of a fault of ours; what the fault itself says belongs into the log only."""
    return WindowsAiError(f"The host failed with {type(error).__name__}; its log has the details.")


def error_from_body(body: object) -> WindowsAiError | None:
    """The error that `error_body` described, of the same class; None for a body of another kind."""
    fields = as_object(as_object(body).get("error"))
    message, hint = fields.get("message"), fields.get("hint")
    if not isinstance(message, str):
        return None
    kind = _classes().get(str(fields.get("code")), WindowsAiError)
    error = kind.__new__(kind)
    hint = hint if isinstance(hint, str) else None
    WindowsAiError.__init__(error, message.removesuffix(hint or "").rstrip(), hint=hint)
    vars(error).update(as_object(fields.get("details")), param=fields.get("param"))
    return error


def _type_of(error: WindowsAiError) -> str:
    if error.http_status == 429:
        return "rate_limit_error"
    return "server_error" if error.http_status >= 500 else "invalid_request_error"


def _classes() -> dict[str, type[WindowsAiError]]:
    """Every class of the tree by its code; where a subclass keeps the code, the parent stands for it."""
    classes: dict[str, type[WindowsAiError]] = {}
    for kind in _tree(WindowsAiError):
        classes.setdefault(kind.code, kind)
    return classes


def _tree(root: type[WindowsAiError]) -> Iterator[type[WindowsAiError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)
