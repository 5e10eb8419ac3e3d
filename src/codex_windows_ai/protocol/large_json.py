"""Large JSON text, read so that other threads run meanwhile and nobody's body can have more than a request can mean.

The parsers of the standard library and of pydantic keep the interpreter's lock until they are done, a third of a second
for 16 MB of small values. Here Python walks through the structure, which lets others run at every step, and text is
taken in pieces. On small text the others are faster, and short enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from codex_windows_ai.errors import InvalidRequestError, RequestTooLargeError

LARGE = 1 << 16
"""Bytes or characters of a request from which on it is worked on beside smaller ones, and never in their way."""

MOST_VALUES = 150_000
"""Values in one text, the keys of objects not counted: a value is a token at least, and few windows hold as many."""

MOST_DEPTH = 900
"""Lists and objects inside one another; what comes later (validation, templates, schemas) goes into them by calls."""

PIECE = 1 << 18

_HINT = "Send less: no model here has a window for as much."

_space = re.compile(r"[ \t\n\r]*+").match
_plain = re.compile(r'[^"\\\x00-\x1f]*+(?:\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])[^"\\\x00-\x1f]*+)*+').match

ParseConstant = Callable[[str], Any]


def read_large_json(text: str, *, parse_constant: ParseConstant | None = None) -> Any:
    """As `json.loads`, but half a character, which an escape can name, is U+FFFD.

    Raises ValueError: it is not JSON. InvalidRequestError, RequestTooLargeError: there is more of it than can be meant.
    """
    return _Reader(text, json.JSONDecoder(parse_constant=parse_constant)).read()


class _Reader:
    """Reads one text; `_inside` are the lists and objects that are not complete, each with the key that is read."""

    def __init__(self, text: str, decoder: json.JSONDecoder) -> None:
        self._text = text
        self._decoder = decoder
        self._place = 0
        self._values = 0
        self._inside: list[tuple[Any, str]] = []

    def read(self) -> Any:
        self._skip()
        while True:
            begun, value = self._begin()
            if begun:
                continue
            while self._inside and self._put(value):
                value = self._inside.pop()[0]
            if not self._inside:
                break
        self._skip()
        if self._place != len(self._text):
            raise self._error("Extra data")
        return value

    def _begin(self) -> tuple[bool, Any]:
        """A value; for a list or object that is not empty only its beginning."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise RequestTooLargeError(f"The request has more than {MOST_VALUES:,} values in its JSON.", hint=_HINT)
        match self._text[self._place : self._place + 1]:
            case "{" | "[" as opening:
                self._place += 1
                closing, value = ("}", dict[str, Any]()) if opening == "{" else ("]", list[Any]())
                if self._skip() == closing:
                    self._place += 1
                    return False, value
                if len(self._inside) >= MOST_DEPTH:
                    raise InvalidRequestError(
                        f"The request has more than {MOST_DEPTH} lists and objects inside one another.", hint=_HINT
                    )
                self._inside.append((value, self._key() if opening == "{" else ""))
                return True, value
            case '"':
                return False, self._string()
            case _:
                value, self._place = self._decoder.raw_decode(self._text, self._place)
                return False, value

    def _put(self, value: Any) -> bool:
        """Puts a value where it belongs; whether that is complete with it."""
        holder, key = self._inside[-1]
        if isinstance(holder, dict):
            holder[key] = value
        else:
            holder.append(value)
        found, closing = self._skip(), "}" if isinstance(holder, dict) else "]"
        self._place += 1
        if found == closing:
            return True
        if found != ",":
            self._place -= 1
            raise self._error("Expecting ',' delimiter")
        self._skip()
        if isinstance(holder, dict):
            self._inside[-1] = holder, self._key()
        return False

    def _key(self) -> str:
        if self._text[self._place : self._place + 1] != '"':
            raise self._error("Expecting property name enclosed in double quotes")
        key = self._string()
        if self._skip() != ":":
            raise self._error("Expecting ':' delimiter")
        self._place += 1
        self._skip()
        return key

    def _string(self) -> str:
        begin, pieces, escaped = self._place, list[str](), False
        self._place += 1
        while True:
            match = _plain(self._text, self._place, self._place + PIECE)
            piece, self._place = (match.group(), match.end()) if match else ("", self._place)
            escaped = escaped or "\\u" in piece
            pieces.append(json.loads(f'"{piece}"') if "\\" in piece else piece)
            if self._text[self._place : self._place + 1] == '"':
                self._place += 1
                text = "".join(pieces)
                return whole_characters(text) if escaped else text
            if not piece:
                self._place = min(self._place, len(self._text))
                ended = self._place == len(self._text)
                raise json.JSONDecodeError(
                    "Unterminated string starting at" if ended else "Invalid control character or escape at",
                    self._text,
                    begin if ended else self._place,
                )

    def _skip(self) -> str:
        """The character behind white space."""
        match = _space(self._text, self._place)
        if match:
            self._place = match.end()
        return self._text[self._place : self._place + 1]

    def _error(self, message: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, self._place)


def whole_characters(text: str) -> str:
    """The text with the halves of a character put together, which escapes can name one by one; else itself.

    A half alone, which is no text, is U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
