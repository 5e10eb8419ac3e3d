"""What a client of the proxy is told when the host, or whatever listens in its place, gives no sound answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Generator
from typing import Any

import pytest

from codex_windows_ai.client.mcp.exchange import HostAddress
from codex_windows_ai.host.limits import MOST_BODY_BYTES
from tests.client.mcp.conftest import PipedClient
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

VERSION: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
EVENTS = "content-type: text/event-stream\r\n"
JSON = "content-type: application/json\r\n"
BUSY = {"error": {"message": "The queue is full. Try again in 3 s.", "code": "rate_limit_exceeded", "hint": None}}


@contextlib.contextmanager
def listening(head: str, body: bytes) -> Generator[HostAddress]:
    """Something that gives the same answer to everybody, and closes the connection after it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as request:
                    if not request.readline():
                        return
                    fields = http.client.parse_headers(request)
                    request.read(int(fields["content-length"]))
                    connection.sendall(f"HTTP/1.1 {head}\r\n".encode() + body)

        thread = threading.Thread(target=serve)
        thread.start()
        address = server.getsockname()
        try:
            yield HostAddress(f"http://127.0.0.1:{address[1]}", TOKEN)
        finally:
            socket.create_connection(address).close()
            thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("head", "body", "words"),
    [
        ("401 No\r\n", b"", "does not let this client in"),
        ("403 No\r\n", b"<html>", "does not let this client in"),
        ("413 No\r\n", b"", "too large"),
        ("429 No\r\n", b"", "busy"),
        (f"429 No\r\n{JSON}", json.dumps(BUSY).encode(), "The queue is full. Try again in 3 s."),
        ("500 No\r\n", b"Internal Server Error", "HTTP status 500"),
        ("502 No\r\n", b'{"error":"no"}', "HTTP status 502, Bad Gateway"),
        ("503 No\r\n", b"[]", "HTTP status 503"),
        ("307 No\r\nlocation: http://127.0.0.1/\r\n", b"", "HTTP status 307"),
        ("404 No\r\n", b'{"error":{"message":5}}', "HTTP status 404"),
        ("299 Odd\r\n", b"", "gave no answer"),
        ("202 Accepted\r\n", b"", "gave no answer"),
        (f"200 OK\r\n{JSON}", b"<html>welcome</html>", "no JSON object: b'<html>welcome</html>'"),
        (f"200 OK\r\n{JSON}", b"[1]", "no JSON object"),
        (f"200 OK\r\n{JSON}", b'{"jsonrpc":"2.0","id":99,"result":{}}', "gave no answer"),
        (f"200 OK\r\n{JSON}", b'{"jsonrpc":"2.0","id":1,"res', "no JSON object"),
        (f"200 OK\r\n{EVENTS}", b"data: welcome\n\n", "no JSON object"),
        (f"200 OK\r\n{JSON}content-length: 90\r\n", b'{"jsonrpc":"2.0","id":1', "went away"),
        (f"200 OK\r\n{EVENTS}", b"", "went away"),
        (f"200 OK\r\n{EVENTS}", b'data: {"jsonrpc":"2.0","id":1,"result":{}}', "went away"),
        (f"200 OK\r\n{EVENTS}transfer-encoding: chunked\r\n", b"5\r\nda", "went away"),
        ("nonsense", b"", "went away"),
    ],
)
def test_what_went_wrong_is_said(head: str, body: bytes, words: str) -> None:
    with listening(head, body) as address, PipedClient(lambda _: address) as client:
        answer = client.ask(1, "tools/list", _meta=VERSION)
        assert (answer["id"], isinstance(answer["error"]["code"], int)) == (1, True)
        assert words in answer["error"]["message"]
        assert "reached" not in answer["error"]["message"]
        assert client.rest() == []


def test_a_notification_is_never_answered_whatever_comes_back() -> None:
    with (
        listening(f"200 OK\r\n{JSON}", b'{"jsonrpc":"2.0","id":1,"result":{}}') as address,
        PipedClient(lambda _: address) as client,
    ):
        client.say(method="notifications/initialized")
        assert client.rest() == []


@pytest.mark.parametrize("size", [MOST_BODY_BYTES + 1, 20 * 1024 * 1024])
def test_a_message_that_is_too_large_is_refused_with_the_limit(piped: PipedClient, size: int) -> None:
    piped.shake_hands()
    for request_id in (1, 2):
        error = piped.ask(request_id, "tools/call", name="generate", arguments={"prompt": "x" * size})["error"]
        assert error["data"] == {"code": "request_too_large", "http_status": 413}
        assert str(MOST_BODY_BYTES) in error["message"]
        assert error["code"] == -32602
    assert "result" in piped.ask(3, "tools/list")


@pytest.mark.parametrize("size", [60_000, 70_000, 1_500_000])
def test_a_message_that_is_large_arrives_whole(piped: PipedClient, size: int) -> None:
    piped.shake_hands()
    answer = piped.ask(1, "tools/call", name="gpu_stats", arguments={"x" * size: 1})
    assert "x" * size in answer["result"]["content"][0]["text"]


def test_a_host_that_is_not_there_is_said_to_be_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = HostAddress(f"http://127.0.0.1:{closed.getsockname()[1]}", TOKEN)
    with PipedClient(lambda _: address) as client:
        error = client.ask(1, "tools/list")["error"]
    assert error["data"] == {"code": "host_unreachable"}
    assert error["message"].startswith("No host could be reached.")


def test_a_fault_of_ours_is_an_answer_too() -> None:
    def find(suspicious: bool) -> HostAddress:
        raise PermissionError("the token may not be read")

    with PipedClient(find) as client:
        answer = client.ask(1, "tools/list")
    assert answer["id"] == 1
    assert "the token may not be read" in answer["error"]["message"]


def test_a_token_that_is_always_refused_is_not_called_absence(live_host: LiveHost) -> None:
    with PipedClient(lambda _: HostAddress(live_host.url, "the-token-of-yesterday")) as client:
        error = client.ask(1, "tools/list")["error"]
    assert error["data"] == {"code": "invalid_api_key", "http_status": 401}
