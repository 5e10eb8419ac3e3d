"""The JSON text of a body as a value, with errors that say what to send instead."""

from __future__ import annotations

import json

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.large_json import LARGE, read_large_json, whole_characters


def parse_json(raw: bytes) -> object:
    """The value; half a character, which an escape can name, is U+FFFD.

    A large text takes a while, in which other threads run: call it in one of its own. Raises InvalidRequestError: it is
    not JSON, not UTF-8, or has more values than a request can mean.
    """
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"The request's body is not UTF-8: the byte {raw[error.start]:#04x} at {error.start} is not.",
            hint="Send the text as UTF-8. Windows PowerShell 5.1 does with "
            "`-Body ([Text.Encoding]::UTF8.GetBytes($json)) -ContentType 'application/json; charset=utf-8'`.",
        ) from error
    try:
        if len(raw) >= LARGE:
            return read_large_json(text, parse_constant=_refuse_constant)
        content: object = json.loads(text, parse_constant=_refuse_constant)
        if text.isascii() and "\\u" not in text:
            return content
        written = json.dumps(content, ensure_ascii=False)
        mended = whole_characters(written)
        return content if mended is written else json.loads(mended)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"The request's body is not valid JSON: {error}.", hint="Send one JSON object as application/json."
        ) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
