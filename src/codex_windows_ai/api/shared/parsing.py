"""The JSON text of a body as a value, with errors that say what to send instead."""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any

from codex_windows_ai.errors import InvalidRequestError, RequestTooLargeError, WindowsAiError
from codex_windows_ai.protocol import json_text
from codex_windows_ai.protocol.codec import decode_request
from codex_windows_ai.protocol.json_text import CHECK, MOST_DEPTH, MOST_VALUES, VALUE, Fault, read_json
from codex_windows_ai.protocol.large_requests import HUGE, LARGE
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.workers.pool import WorkerPool

_SECONDS = 20.0
_MOST_BYTES = 1 << 30

_WHAT, _MODULE = "large requests", Path(json_text.__file__)
_large = WorkerPool(_MODULE, what=_WHAT, probe=CHECK)
_huge = WorkerPool(_MODULE, what=_WHAT, probe=CHECK, background=True)
_HINT = "Send less: no model here has a window for as much."


def parse_json(raw: bytes) -> object:
    """The value; half a character, which an escape can name, is U+FFFD.

    A large text takes a while, in which other threads run: call it in one of its own. Raises InvalidRequestError: it is
    not JSON, not UTF-8, or has more values than a request can mean. EngineError: no worker can be started.
    """
    fault, found = read_json(raw, json_text.refuse_constant) if len(raw) < LARGE else _read_elsewhere(VALUE, raw)
    if fault is not None:
        raise _refusal(fault, found, raw)
    return found


def read_request(payload: bytes) -> GenerationRequest:
    """What a program of ours asks; as `parse_json`, call it in a thread of its own where it is large.

    Raises InvalidRequestError: it is no request, or has more values than one can mean.
    """
    if len(payload) >= LARGE:  # bounds the time for which the last line keeps all others waiting
        fault, found = _read_elsewhere(CHECK, payload)
        if fault in ("values", "depth"):
            raise _refusal(fault, found, payload)
    return decode_request(payload)


def _read_elsewhere(wanted: bytes, raw: bytes) -> tuple[Fault | None, Any]:
    """As `read_json`, in a worker process."""
    pool = _large if len(raw) < HUGE else _huge
    reply = pool.ask(wanted, raw, seconds=_SECONDS, most_bytes=_MOST_BYTES)
    if reply.limit:
        raise RequestTooLargeError(f"The request takes too much to read: {reply.limit}.", hint=_HINT)
    return marshal.loads(reply.answer)  # noqa: S302  # our own program wrote it


def _refusal(fault: Fault, found: Any, raw: bytes) -> WindowsAiError:
    match fault:
        case "encoding":
            return InvalidRequestError(
                f"The request's body is not UTF-8: the byte {raw[found]:#04x} at {found} is not.",
                hint="Send the text as UTF-8. Windows PowerShell 5.1 does with "
                "`-Body ([Text.Encoding]::UTF8.GetBytes($json)) -ContentType 'application/json; charset=utf-8'`.",
            )
        case "values":
            return RequestTooLargeError(f"The request has more than {MOST_VALUES:,} values in its JSON.", hint=_HINT)
        case "depth":
            return InvalidRequestError(
                f"The request has more than {MOST_DEPTH} lists and objects inside one another.", hint=_HINT
            )
        case "text":
            return InvalidRequestError(
                f"The request's body is not valid JSON: {found}.", hint="Send one JSON object as application/json."
            )
