"""The stdio proxy between pipes and a live host in the test's process."""

from __future__ import annotations

import threading
from typing import Any

import httpx2
import pytest

from codex_windows_ai.client.mcp.exchange import HostAddress
from codex_windows_ai.errors import HostUnreachableError
from tests.client.mcp.conftest import PipedClient
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN
from tests.mcp.conftest import held_engine, wait_until

LONG: dict[str, Any] = {"name": "generate", "arguments": {"prompt": "the", "max_output_tokens": 400}}
SHORT: dict[str, Any] = {"name": "generate", "arguments": {"prompt": "the", "max_output_tokens": 2}}
VERSION: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def test_the_version_that_codex_asks_for_is_agreed_on(piped: PipedClient) -> None:
    result = piped.shake_hands()["result"]
    assert result["protocolVersion"] == "2025-06-18"
    assert result["serverInfo"]["name"] == "windows-ai"
    assert "progress" not in piped.ask(1, "tools/call", **SHORT)


def test_a_line_that_is_no_message_is_answered_and_the_next_one_served(piped: PipedClient) -> None:
    piped.write(b"hello")
    refusal = piped.hear()
    assert (refusal["id"], refusal["error"]["code"]) == (None, -32700)
    assert "result" in piped.shake_hands()


def test_a_refusal_of_the_door_has_the_id_of_what_it_refuses(piped: PipedClient) -> None:
    refusal = piped.ask(7, "tools/list")  # nobody shook hands
    assert refusal["id"] == 7
    assert refusal["error"]["message"]


def test_answers_come_as_they_are_ready(piped: PipedClient, live_host: LiveHost) -> None:
    piped.shake_hands()
    with held_engine(live_host):
        piped.say(id="slow", method="tools/call", params=SHORT)
        assert piped.ask(2, "tools/call", name="gpu_stats")["id"] == 2
    assert piped.hear()["id"] == "slow"


@pytest.mark.parametrize("meta", [{}, {"_meta": VERSION}], ids=["2025-06-18", "2026-07-28"])
def test_a_cancelled_call_ends_in_the_engine_and_is_not_answered(
    piped: PipedClient, live_host: LiveHost, meta: dict[str, Any]
) -> None:
    before = live_host.engine.statistics().cancelled
    if not meta:
        piped.shake_hands()
    with held_engine(live_host) as waiting:
        piped.say(id=1, method="tools/call", params=LONG | meta)
        wait_until(lambda: waiting() >= 1)
        piped.say(method="notifications/cancelled", params={"requestId": 1})
        wait_until(lambda: waiting() >= 2)
    wait_until(lambda: live_host.engine.statistics().cancelled == before + 1)
    assert piped.ask(2, "tools/call", **SHORT, **meta)["id"] == 2


def test_progress_comes_before_the_answer(piped: PipedClient) -> None:
    piped.shake_hands()
    first = piped.ask(1, "tools/call", **SHORT, _meta={"progressToken": 0})
    assert first["method"] == "notifications/progress"
    assert first["params"]["progressToken"] == 0
    assert piped.hear()["result"]["structuredContent"]["usage"]["output_tokens"] == 2


def test_all_requests_of_one_client_are_one_agent(piped: PipedClient, live_host: LiveHost) -> None:
    piped.shake_hands()
    with held_engine(live_host) as waiting:
        for request_id in range(3):
            piped.say(id=request_id, method="tools/call", params=SHORT)
        wait_until(lambda: waiting() >= 3)
        assert live_host.host.activity.active_requests == 3
        assert live_host.host.activity.active_agents == 1
    assert {piped.hear()["id"] for _ in range(3)} == {0, 1, 2}


def test_the_end_of_input_cancels_what_runs(piped: PipedClient, live_host: LiveHost) -> None:
    before = live_host.engine.statistics().cancelled
    piped.shake_hands()
    with held_engine(live_host) as waiting:
        piped.say(id=1, method="tools/call", params=LONG)
        wait_until(lambda: waiting() >= 1)
        piped.close()
        wait_until(lambda: waiting() >= 2)
    wait_until(lambda: live_host.engine.statistics().cancelled == before + 1)


def test_where_no_host_can_be_had_each_request_says_why() -> None:
    def find(suspicious: bool) -> HostAddress:
        raise HostUnreachableError("There is none.", hint="Start one.")

    with PipedClient(find) as client:
        for request_id in (1, 2):
            error = client.ask(request_id, "tools/list")["error"]
            assert error["message"] == "There is none. Start one."
            assert error["data"] == {"code": "host_unreachable"}


def test_a_host_that_looks_like_one_but_is_not_is_looked_for_again(live_host: LiveHost) -> None:
    asked: list[bool] = []

    def find(suspicious: bool) -> HostAddress:
        asked.append(suspicious)
        return HostAddress(live_host.url, TOKEN if suspicious else "the-token-of-yesterday")

    with PipedClient(find) as client:
        assert "result" in client.shake_hands()
    assert asked == [False, True]


def test_a_session_that_the_host_has_forgotten_is_opened_again(piped: PipedClient, live_host: LiveHost) -> None:
    piped.shake_hands()
    assert "result" in piped.ask(1, "tools/list")
    session = piped.proxy.session_id
    assert session is not None
    headers = {"authorization": f"Bearer {TOKEN}", "mcp-session-id": session}
    httpx2.delete(f"{live_host.url}/mcp", headers=headers).raise_for_status()
    assert "result" in piped.ask(2, "tools/list")
    assert piped.proxy.session_id not in (None, session)


def test_an_answer_that_breaks_off_is_an_error_and_the_next_request_finds_a_host(live_host: LiveHost) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as dying:
        addresses = iter([f"http://127.0.0.1:{dying.getsockname()[1]}", live_host.url])

        def die() -> None:
            connection, _ = dying.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )

        death = threading.Thread(target=die)
        death.start()
        with PipedClient(lambda suspicious: HostAddress(next(addresses), TOKEN)) as client:
            broken = client.ask(1, "tools/call", **SHORT, _meta=VERSION)
            assert broken["id"] == 1
            assert "went away" in broken["error"]["message"]
            assert "result" in client.ask(2, "tools/call", **SHORT, _meta=VERSION)
        death.join(PATIENCE)
