"""What is taken for a JSON-RPC message, and what is said of everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.protocol.json_rpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    BadMessageError,
    read_message,
)


@pytest.mark.parametrize("bad", [b"null", b"{}", b"[1]", b"true", b"1.5", b"1.0", b"NaN"])
def test_a_request_with_an_id_that_is_neither_text_nor_a_whole_number_is_refused(bad: bytes) -> None:
    with pytest.raises(BadMessageError, match="`id`") as refused:
        read_message(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % bad)
    assert (refused.value.code, refused.value.request_id) == (INVALID_REQUEST, None)


@pytest.mark.parametrize(
    ("rest", "code", "words"),
    [
        ('"jsonrpc":"2.0"', INVALID_REQUEST, "`method`"),
        ('"jsonrpc":"2.0","method":5', INVALID_REQUEST, "`method`"),
        ('"jsonrpc":"2.0","method":null', INVALID_REQUEST, "`method`"),
        ('"jsonrpc":"1.0","method":"ping"', INVALID_REQUEST, "`jsonrpc`"),
        ('"method":"ping"', INVALID_REQUEST, "`jsonrpc`"),
        ('"jsonrpc":"2.0","method":"ping","params":[1]', INVALID_PARAMS, "`params`"),
    ],
)
@pytest.mark.parametrize("request_id", [0, -3, "a", 10**30])
def test_what_is_wrong_with_a_request_is_said_with_its_id(rest: str, code: int, words: str, request_id: object) -> None:
    with pytest.raises(BadMessageError, match=words) as refused:
        read_message(f'{{"id":{json.dumps(request_id)},{rest}}}'.encode())
    assert (refused.value.code, refused.value.request_id) == (code, request_id)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"hello", PARSE_ERROR),
        (b'{"a":', PARSE_ERROR),
        (b"[" * 100_000, PARSE_ERROR),
        (b'{"id":1' + b"0" * 5000 + b"}", PARSE_ERROR),
        (b"[]", INVALID_REQUEST),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', INVALID_REQUEST),
        (b"1", INVALID_REQUEST),
        (b"{}", INVALID_REQUEST),
    ],
)
def test_what_is_no_message_is_refused_without_an_id(text: bytes, code: int) -> None:
    with pytest.raises(BadMessageError) as refused:
        read_message(text)
    assert (refused.value.code, refused.value.request_id) == (code, None)


@pytest.mark.parametrize(
    "text",
    [
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":[1]}',
        b'{"method":"notifications/initialized"}',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}',
        b'{"jsonrpc":"2.0","id":{},"result":1}',
    ],
    ids=["notification", "old notification", "error", "result"],
)
def test_what_may_not_be_answered_is_taken_as_it_is(text: bytes) -> None:
    assert read_message(text) == (text, json.loads(text))


def test_bytes_that_are_not_utf_8_are_named_and_the_id_is_read_all_the_same() -> None:
    with pytest.raises(BadMessageError, match=r"not UTF-8 \(byte 0xe9 at \d+\)") as refused:
        read_message('{"jsonrpc":"2.0","id":"7","method":"ping","params":{"é":1}}'.encode("latin-1"))
    assert (refused.value.code, refused.value.request_id) == (PARSE_ERROR, "7")


def test_a_byte_order_mark_is_left_out() -> None:
    assert read_message(b'\xef\xbb\xbf{"method":"a"}\r\n') == (b'{"method":"a"}', {"method": "a"})


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (r"\ud83d", "\ufffd"),
        (r"a\uDE00b", "a\ufffdb"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\ud83dA", "\ufffdA"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_replacement_character(escaped: str, read: str) -> None:
    text, content = read_message(f'{{"method":"a","params":{{"p":"{escaped}"}}}}'.encode())
    assert content["params"]["p"] == read
    assert json.loads(text) == content


def test_an_id_with_half_a_surrogate_pair_is_refused_with_that_id() -> None:
    with pytest.raises(BadMessageError) as refused:
        read_message(rb'{"jsonrpc":"2.0","id":"\ud83d","method":"ping"}')
    assert refused.value.request_id == "\ud83d"


@given(st.recursive(st.none() | st.booleans() | st.text(st.characters(codec=None)), st.lists))
def test_any_text_is_read_as_utf_8_can_hold_it(value: Any) -> None:
    text, content = read_message(json.dumps({"method": "a", "params": {"p": value}}).encode())
    assert json.loads(text) == content
    json.dumps(content, ensure_ascii=False).encode()  # no half of a pair is left
