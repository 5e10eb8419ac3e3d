"""Messages that clients get wrong, and sessions and ids that they use twice."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx2
import pytest

from tests.host.live import PATIENCE, LiveHost
from tests.mcp.conftest import held_engine, wait_until
from tests.mcp.raw import PREFIX, SESSIONS, STATELESS, RawClient, answer_in

SHORT: dict[str, Any] = {"name": "generate", "arguments": {"prompt": "the", "max_output_tokens": 2}}


@pytest.mark.parametrize("version", SESSIONS)
@pytest.mark.parametrize("stale", ["a-session-of-yesterday", "00000000-0000-0000-0000-000000000000", "live"])
def test_initialize_begins_a_session_whatever_the_client_kept(http: httpx2.Client, version: str, stale: str) -> None:
    client = RawClient(http, version)
    if stale == "live":
        client.open()
    else:
        client.session = stale
    before = client.session
    opened = client.initialize()
    assert opened.status_code == 200, opened.text
    client.session = opened.headers["mcp-session-id"]
    assert client.session != before
    assert "result" in answer_in(client.ask("tools/list"))


@pytest.mark.parametrize("method", ["tools/list", "ping", "resources/list", "prompts/list"])
def test_everything_else_of_an_unknown_session_is_not_found(http: httpx2.Client, method: str) -> None:
    client = RawClient(http, "2025-11-25")
    client.session = "a-session-of-yesterday"
    assert client.ask(method).status_code == 404
    assert client.send(http.build_request("GET", "/mcp")).status_code == 404
    assert client.send(http.build_request("DELETE", "/mcp")).status_code == 404


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
@pytest.mark.parametrize("bad", ["null", "{}", "[]", "true", "1.5"])
def test_a_request_with_a_bad_id_is_refused_and_not_taken_for_a_notification(
    http: httpx2.Client, version: str, bad: str
) -> None:
    client = RawClient(http, version)
    client.open()
    refused = client.post(
        f'{{"jsonrpc":"2.0","id":{bad},"method":"tools/list"}}'.encode(), mcp_protocol_version=version
    )
    assert refused.status_code == 400
    assert (refused.json()["id"], refused.json()["error"]["code"]) == (None, -32600)


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
def test_a_byte_order_mark_and_half_an_emoji_are_no_reason_to_refuse(http: httpx2.Client, version: str) -> None:
    client = RawClient(http, version)
    client.open()
    params: dict[str, Any] = {
        "name": "generate",
        "arguments": {"prompt": "the \ud83d", "max_output_tokens": 2},
        "_meta": {f"{PREFIX}/protocolVersion": version, f"{PREFIX}/clientCapabilities": {}},
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {"mcp_protocol_version": version, "mcp_method": "tools/call", "mcp_name": "generate"}
    answer = answer_in(client.post(b"\xef\xbb\xbf" + body, **headers))
    assert answer["result"]["structuredContent"]["usage"]["output_tokens"] == 2


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json; charset=utf-8", "", None])
def test_the_content_type_is_read_as_http_has_it(http: httpx2.Client, kind: str | None) -> None:
    client = RawClient(http, "2025-11-25")
    client.open()
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    answer = client.post(body, content_type=kind) if kind is not None else client.post(body)
    assert "result" in answer_in(answer)
    assert client.post(body, content_type="text/plain").status_code == 400


@pytest.mark.parametrize("ids", [(1, 1), (1, "1")], ids=["the same", "alike"])
def test_two_requests_with_one_id_at_once_are_both_answered(
    http: httpx2.Client, live_host: LiveHost, ids: tuple[int | str, int | str]
) -> None:
    client = RawClient(http, "2025-11-25")
    client.open()
    answers: dict[int, httpx2.Response] = {}

    def ask(place: int) -> None:
        answers[place] = client.ask("tools/call", ids[place], **SHORT)

    threads = [threading.Thread(target=ask, args=[place]) for place in (0, 1)]
    with held_engine(live_host) as waiting:
        threads[0].start()
        wait_until(lambda: waiting() >= 1)
        threads[1].start()
        wait_until(lambda: live_host.host.activity.active_requests == 2)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    told = [answer_in(answers[place]) for place in (0, 1)]
    assert [(answer["id"], "result" in answer) for answer in told] == [(request_id, True) for request_id in ids]
