"""Clients that accept only one kind of answer, or do not say which."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from codex_windows_ai.mcp.accept import accepted_kinds
from tests.mcp.raw import STATELESS, RawClient, answer_in

JSON, EVENTS = "application/json", "text/event-stream"
SHORT: dict[str, Any] = {
    "name": "generate",
    "arguments": {"prompt": "the", "max_output_tokens": 2},
    "_meta": {"progressToken": 1},
}
ONLY_JSON = ["application/json", "APPLICATION/JSON", "application/*", f"{JSON};q=0.1", f"{EVENTS};q=0, */*"]
ONLY_EVENTS = ["text/event-stream", "Text/Event-Stream", "text/*", f"{JSON};q=0, {EVENTS};q=0.3"]
ANYTHING = [None, "*/*", "*", "", f"{JSON}, {EVENTS}", f"{EVENTS};q=0.9,{JSON};q=0.1", "text/html, */*;q=0.1", "json"]
NOTHING = ["text/html", "image/*", f"{JSON};q=0", f"{JSON};q=0, {EVENTS};q=0.0", "*/*;q=0"]


@pytest.mark.parametrize(
    ("headers", "kinds"),
    [(ONLY_JSON, {JSON}), (ONLY_EVENTS, {EVENTS}), (ANYTHING, {JSON, EVENTS}), (NOTHING, set[str]())],
    ids=["json", "events", "anything", "nothing"],
)
def test_the_header_says_which_kinds_are_accepted(headers: list[str | None], kinds: set[str]) -> None:
    assert {header: accepted_kinds(header or "") for header in headers} == dict.fromkeys(headers, kinds)


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25", STATELESS])
@pytest.mark.parametrize(
    ("accept", "kinds"),
    [
        *((accept, (JSON,)) for accept in ONLY_JSON),
        *((accept, (EVENTS,)) for accept in ONLY_EVENTS),
        *((accept, (JSON, EVENTS)) for accept in ANYTHING),
    ],
)
def test_every_answer_is_of_a_kind_that_is_accepted(
    http: httpx2.Client, version: str, accept: str | None, kinds: tuple[str, ...]
) -> None:
    client = RawClient(http, version, accept)
    opened = client.open()
    for response in ([opened] if opened else []) + [client.ask("tools/list"), client.ask("tools/call", 2, **SHORT)]:
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].split(";")[0] in kinds
        assert "result" in answer_in(response)
    assert answer_in(client.ask("tools/list", "x"))["id"] == "x"


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
def test_a_stream_alone_has_the_progress_and_json_alone_only_the_answer(http: httpx2.Client, version: str) -> None:
    for accept, count in ((EVENTS, 2), (JSON, 1)):
        client = RawClient(http, version, accept)
        client.open()
        response = client.ask("tools/call", **SHORT)
        assert response.text.count('"jsonrpc"') == count, response.text
        assert answer_in(response)["result"]["structuredContent"]["usage"]["output_tokens"] == 2


@pytest.mark.parametrize("version", ["2025-11-25", STATELESS])
@pytest.mark.parametrize("accept", NOTHING)
def test_who_accepts_neither_kind_is_told_which_there_are(http: httpx2.Client, version: str, accept: str) -> None:
    client = RawClient(http, version, accept)
    refused = client.ask("initialize")
    assert refused.status_code == 406
    message = refused.json()["error"]["message"]
    assert JSON in message and EVENTS in message


@pytest.mark.parametrize("accept", [JSON, EVENTS, None, "*/*"])
def test_a_session_is_ended_whatever_is_accepted(http: httpx2.Client, accept: str | None) -> None:
    client = RawClient(http, "2025-11-25", accept)
    client.open()
    assert client.send(http.build_request("DELETE", "/mcp")).status_code == 200
    assert client.ask("tools/list").status_code == 404


@pytest.mark.parametrize("accept", [EVENTS, None, "*/*", "TEXT/*", f"{EVENTS};q=0.2"])
def test_the_standing_stream_opens_for_whoever_accepts_events(http: httpx2.Client, accept: str | None) -> None:
    client = RawClient(http, "2025-11-25", accept)
    client.open()
    request = http.build_request("GET", "/mcp")
    del request.headers["accept"]
    headers: dict[str, Any] = {"accept": accept, "mcp-session-id": client.session}
    request.headers.update({name: value for name, value in headers.items() if value is not None})
    request.headers["authorization"] = client.ask("ping").request.headers["authorization"]
    with_head = http.send(request, stream=True)
    try:
        assert with_head.status_code == 200
        assert with_head.headers["content-type"].startswith(EVENTS)
    finally:
        with_head.close()


def test_the_standing_stream_is_refused_to_whoever_accepts_json_alone(http: httpx2.Client) -> None:
    client = RawClient(http, "2025-11-25", JSON)
    client.open()
    assert client.send(http.build_request("GET", "/mcp")).status_code == 406
    client.accept = EVENTS
    assert client.send(http.build_request("GET", "/mcp"), mcp_protocol_version=STATELESS).status_code == 405
