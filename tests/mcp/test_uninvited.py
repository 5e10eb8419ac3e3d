"""Requests that clients send without having been invited to."""

from __future__ import annotations

import httpx2
import pytest

from tests.mcp.raw import SESSIONS, STATELESS, RawClient, answer_in


@pytest.mark.parametrize("version", [*SESSIONS, STATELESS])
def test_the_list_of_prompts_is_announced_and_empty(http: httpx2.Client, version: str) -> None:
    client = RawClient(http, version)
    told = client.open() or client.ask("server/discover")
    assert "prompts" in answer_in(told)["result"]["capabilities"]
    assert answer_in(client.ask("prompts/list"))["result"]["prompts"] == []
    refused = answer_in(client.ask("prompts/get", name="greet"))["error"]
    assert (refused["code"], "`greet`" in refused["message"]) == (-32602, True)


@pytest.mark.parametrize("version", [*SESSIONS, STATELESS])
def test_what_is_asked_uninvited_is_answered(http: httpx2.Client, version: str) -> None:
    client = RawClient(http, version)
    told = client.open() or client.ask("server/discover")
    capabilities = answer_in(told)["result"]["capabilities"]
    assert not {"completions", "logging"} & set(capabilities)
    reference = {"type": "ref/prompt", "name": "greet"}
    found = answer_in(client.ask("completion/complete", ref=reference, argument={"name": "a", "value": "b"}))
    assert found["result"]["completion"]["values"] == []
    assert answer_in(client.ask("resources/templates/list"))["result"]["resourceTemplates"] == []
    if version != STATELESS:  # which has neither any more
        assert answer_in(client.ask("logging/setLevel", level="debug"))["result"] == {}
        assert answer_in(client.ask("ping"))["result"] == {}


@pytest.mark.parametrize("version", SESSIONS)
def test_a_client_may_ping_before_it_begins_a_session(http: httpx2.Client, version: str) -> None:
    assert answer_in(RawClient(http, version).ask("ping", "p")) == {"jsonrpc": "2.0", "id": "p", "result": {}}
