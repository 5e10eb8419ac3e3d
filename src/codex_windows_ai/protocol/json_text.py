"""A request's JSON text as a value: of small texts in this process, of large ones in a worker process.

The parsers of the standard library and of pydantic keep the interpreter's lock until they are done, a third of a second
for 16 MB of small values, in which nobody else is served. This loads nothing of ours, so that `workers/main.py` can
load it alone.
"""

from __future__ import annotations

import gc
import json
import marshal
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

Fault = Literal["encoding", "values", "depth", "text"]

MOST_VALUES = 150_000
"""Values in one text, the keys of objects not counted: a value is a token at least, and few windows hold as many."""

MOST_DEPTH = 900
"""Lists and objects inside one another, in a large text.

What comes later (validation, templates, schemas) goes into them by calls.
"""

VALUE, CHECK = b"v", b"c"
"""What a worker is asked before the text: what it says, or only whether it is more than a request can mean."""

_NO_VALUES = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{][ \t\r\n]*+[\]}]', re.DOTALL)
"""Texts, in which anything may stand, and lists and objects with nothing in them."""


def read_json(raw: bytes, parse_constant: Callable[[str], Any] | None = None) -> tuple[Fault | None, Any]:
    """None and what the text says; or what is wrong with it, and the place in bytes, or the reason.

    Half a character, which bytes or an escape can name, is U+FFFD. `parse_constant` is that of `json.loads`.
    """
    try:
        text = whole_characters(raw.decode(json.detect_encoding(raw), "surrogatepass").removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        return "encoding", error.start
    if _values(text) > MOST_VALUES:
        return "values", None
    try:
        _, value = without_halves(text, json.loads(text, parse_constant=parse_constant))
    except RecursionError:
        return "depth", None
    except ValueError as error:
        return "text", str(error)
    return None, value


def answer(request: bytes) -> bytes:
    """In a worker: what `read_json` finds in what stands behind `VALUE` or `CHECK`, marshalled.

    A parser may go deeper here than whoever asks.
    """
    gc.disable()  # it would go through all values again and again, and none of them is garbage
    wanted, raw = request[:1], request[1:]
    fault, found = read_json(raw, refuse_constant if wanted == VALUE else None)
    if fault is None and _too_deep(found):
        fault, found = "depth", None
    return marshal.dumps((fault, found if fault or wanted == VALUE else None))


def refuse_constant(name: str) -> None:
    """Raises ValueError: NaN and infinity are none of JSON's numbers."""
    raise ValueError(f"{name} is no JSON number")


def without_halves(text: str, content: object) -> tuple[str, object]:
    """A text and what it says, of which escapes can name halves of characters that the text itself does not have.

    Raises RecursionError: it is too deep.
    """
    if "\\u" not in text:
        return text, content
    written = json.dumps(content, ensure_ascii=False)
    whole = whole_characters(written)
    return (text, content) if whole is written else (whole, json.loads(whole))


def whole_characters(text: str) -> str:
    """The text with the halves of a character put together, which escapes can name one by one; else itself.

    A half alone, which is no text, is U+FFFD.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _values(text: str) -> int:
    """How many values there are, or fewer than can be too many: each has a comma, or a list or object, before it."""
    signs = sum(map(text.count, ",[{"))
    return 1 + (signs if signs < MOST_VALUES else sum(map(_NO_VALUES.sub("", text).count, ",[{")))


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [inner for holder in level for inner in _holders_in(holder)]
    return bool(level)


def _holders_in(value: object) -> list[object]:
    """The lists and objects in a list or object."""
    if isinstance(value, dict):
        inside: Iterable[object] = cast("dict[str, object]", value).values()
    else:
        inside = cast("list[object]", value) if isinstance(value, list) else ()
    return [inner for inner in inside if isinstance(inner, dict | list)]
