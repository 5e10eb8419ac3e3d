"""A request's JSON is what the standard library reads of it, here and in a worker, and has bounds."""

from __future__ import annotations

import gc
import json
import marshal
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_windows_ai.protocol.json_text import (
    CHECK,
    MOST_DEPTH,
    MOST_VALUES,
    VALUE,
    answer,
    read_json,
    refuse_constant,
    whole_characters,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
TOO_MANY, TOO_DEEP = ("values", None), ("depth", None)


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_was_written_is_read(value: Any, ascii_only: bool, indent: Any, encoding: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    assert read_json(f" {text}\r\n".encode(encoding)) == (None, value)


BROKEN = [
    *'{}[]",:\\ tu\n',
    "\\ud83d",
    "\\ude00",
    "\ud83d",
    "\ude00",
    "\\u00e9",
    "\\n",
    "\\x",
    "true",
    "nul",
    "-",
    "01",
    "1e9",
    "NaN",
    '"a"',
    "\x00",
]


@given(st.lists(st.sampled_from(BROKEN), max_size=12).map("".join))
@example('{"a": 1, "a": 2}')
@example('"\\ud83d\\ude00 \\ud83d \\ude00"')
@example('"\ud83d\ude00 \ud83d \ude00 \\ud83d \\ude00"')
@example("[1,]")
@example("")
def test_it_is_what_the_standard_library_reads_but_for_half_characters(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    if "\x00" in text[:4]:
        return  # which says that it is another encoding
    fault, found = read_json(raw)
    try:
        expected = json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        assert fault == "text"
        return
    assert fault is None
    assert json.dumps(found) == json.dumps(json.loads(whole_characters(expected)))


def test_bytes_that_are_no_text_are_named_by_their_place() -> None:
    assert read_json(b'"abc\xff"') == ("encoding", 4)


def test_constants_are_the_callers() -> None:
    assert math.isnan(read_json(b"[NaN]")[1][0])
    assert read_json(b"[-Infinity]", refuse_constant) == ("text", "-Infinity is no JSON number")


def many(value: str, count: int) -> bytes:
    return f"[{', '.join([value] * count)}]".encode()


@pytest.mark.parametrize("value", ["0", '"a, b, [c], {d}"', '"\\", \\""', "[]", "{ }"])
def test_there_is_a_bound_for_values(value: str) -> None:
    fault, found = read_json(many(value, MOST_VALUES - 1))
    assert (fault, len(found)) == (None, MOST_VALUES - 1)
    assert read_json(many(value, MOST_VALUES)) == TOO_MANY


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_there_is_a_bound_for_depth(begin: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(depth: int) -> Any:
        return marshal.loads(answer(CHECK + f"{begin * depth}0{end * depth}".encode()))

    monkeypatch.setattr(gc, "disable", lambda: None)  # it would be for this whole process here
    assert read(MOST_DEPTH) == (None, None)
    assert read(MOST_DEPTH + 1) == TOO_DEEP
    assert read_json((begin * 100_000).encode()) == TOO_DEEP


@pytest.mark.parametrize(
    "text", ['"' + '\\"' * 2_000_000, "[" * 7_000_000, "[ " * 2_000_000], ids=["text", "lists", "space"]
)
def test_values_are_counted_in_a_time_in_proportion_to_the_text(text: str) -> None:
    """A look for the end of each would take hours."""
    assert read_json(f"{text}{'[],' * MOST_VALUES}".encode())[0] is not None


@pytest.mark.parametrize(
    ("wanted", "text", "said"),
    [
        (VALUE, b'{"a": [1, "\\ud800"]}', (None, {"a": [1, "\ufffd"]})),
        (VALUE, b"[NaN]", ("text", "NaN is no JSON number")),
        (CHECK, b"[NaN]", (None, None)),
        (CHECK, b"[" * 2_000, TOO_DEEP),
    ],
)
def test_a_worker_says_what_it_read_or_whether_it_can(
    wanted: bytes, text: bytes, said: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "disable", lambda: None)  # it would be for this whole process here

    assert marshal.loads(answer(wanted + text)) == said
