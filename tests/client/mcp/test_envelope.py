"""What the proxy reads of a message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import decode_header_value

from codex_windows_ai.client.mcp.envelope import read_envelope
from codex_windows_ai.protocol.json_rpc import error_line

VERSION = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


@pytest.mark.parametrize(
    ("line", "method", "is_request"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "ping", True),
        (b'{"jsonrpc":"2.0","id":"1","method":"ping"}\r\n', "ping", True),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', "notifications/initialized", False),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', None, False),
        (b'{"jsonrpc":"2.0","method":"x","params":[1]}', "x", False),
    ],
)
def test_the_kind_of_a_message_is_read(line: bytes, method: str | None, is_request: bool) -> None:
    message = read_envelope(line)
    assert (message.method, message.is_request) == (method, is_request)
    assert message.line == line.strip()
    assert message.own_headers() == {}


@pytest.mark.parametrize("line", [b"hello", b"[]", b"1", b'{"a":', b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # the reason is whatever the JSON reader says
        read_envelope(line)


def test_ids_of_different_types_are_different() -> None:
    one, text = (read_envelope(b'{"jsonrpc":"2.0","id":%b,"method":"a"}' % each) for each in (b"1", b'"1"'))
    cancellation = read_envelope(b'{"method":"notifications/cancelled","params":{"requestId":1}}')
    assert cancellation.cancelled_key == one.key != text.key


@given(name=st.text(min_size=1).filter(lambda text: text.isprintable() or not text.isascii()))
def test_headers_repeat_a_message_of_2026_as_the_sdk_reads_them(name: str) -> None:
    content = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "_meta": VERSION}}
    headers = read_envelope(json.dumps(content).encode()).own_headers()
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert headers["mcp-method"] == "tools/call"
    assert decode_header_value(headers["mcp-name"]) == name
    assert headers["mcp-name"].isascii()


def test_an_error_keeps_the_id_as_it_was() -> None:
    assert json.loads(error_line("a", -1, "no", {"code": "x"})) == {
        "jsonrpc": "2.0",
        "id": "a",
        "error": {"code": -1, "message": "no", "data": {"code": "x"}},
    }
