"""Large JSON text is what the standard library reads of it, and has bounds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_windows_ai.errors import InvalidRequestError, RequestTooLargeError
from codex_windows_ai.protocol import large_json
from codex_windows_ai.protocol.large_json import MOST_DEPTH, MOST_VALUES, read_large_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_what_was_written_is_read(value: Any, ascii_only: bool, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    assert read_large_json(f" {text}\r\n") == value


BROKEN = [
    *'{}[]",:\\ tu\n',
    "\\ud83d",
    "\\ude00",
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
@example("[1,]")
@example('{"a":1,}')
@example("")
def test_what_is_no_json_is_refused_as_the_standard_library_does(text: str) -> None:
    try:
        expected = json.dumps(json.loads(text))
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            read_large_json(text)
        return
    # Half a character is replaced.
    expected = json.loads(expected.encode().decode("ascii"))
    found = read_large_json(text)
    assert json.dumps(found) == json.dumps(_mended(expected))


def _mended(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


@given(st.text(st.sampled_from('aé字😀"\\\n'), max_size=40), st.booleans())
def test_text_in_pieces_is_read_as_a_whole(text: str, ascii_only: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_json, "PIECE", 7)
        assert read_large_json(json.dumps([text], ensure_ascii=ascii_only)) == [text]


def test_constants_are_the_callers() -> None:
    assert math.isnan(read_large_json("[NaN]")[0])
    assert read_large_json("[NaN, -Infinity]", parse_constant=lambda name: name) == ["NaN", "-Infinity"]


def test_there_is_a_bound_for_values_and_depth() -> None:
    assert len(read_large_json("[" + "0," * (MOST_VALUES - 2) + "0]")) == MOST_VALUES - 1
    with pytest.raises(RequestTooLargeError, match="more than 150,000 values"):
        read_large_json("[" + "0," * MOST_VALUES + "0]")
    read_large_json("[" * MOST_DEPTH + "]" * MOST_DEPTH)
    with pytest.raises(InvalidRequestError, match="900 lists and objects inside one another"):
        read_large_json("[" * 7_000_000)


def test_text_of_megabytes_is_read() -> None:
    text = "line\n" * 1_000_000

    assert read_large_json(json.dumps({"a": text})) == {"a": text}
