"""Which agent a request comes from, and what is known of agents that ask."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from codex_windows_ai.api.shared.identity import PEER, agent_of
from codex_windows_ai.errors import EngineClosedError
from codex_windows_ai.host.activity import ActivityMiddleware
from codex_windows_ai.host.host import Host
from codex_windows_ai.settings import Settings


def request(client: tuple[str, int] | None = ("127.0.0.1", 5), **headers: str) -> Request:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": encoded, "client": client, "method": "GET", "path": "/"})


@pytest.mark.parametrize(
    ("headers", "agent"),
    [
        ({"session_id": "s", "thread_id": "t"}, "session-id:s"),
        ({"thread_id": "t", "mcp_session_id": "m"}, "thread-id:t"),
        ({"mcp_session_id": "m"}, "mcp-session-id:m"),
        ({"session_id": "  "}, "address:127.0.0.1"),
        ({}, "address:127.0.0.1"),
    ],
)
def test_an_agent_is_its_session_its_thread_its_mcp_session_or_its_machine(headers: dict[str, str], agent: str) -> None:
    assert agent_of(request(**headers)) == agent


def test_a_process_that_the_host_found_is_an_agent_unless_it_names_itself() -> None:
    anonymous, named = request(), request(session_id="s")
    anonymous.scope[PEER] = named.scope[PEER] = 42

    assert agent_of(anonymous) == "process:42"
    assert agent_of(named) == "session-id:s"


def test_a_name_is_bounded_and_a_client_without_an_address_has_one_too() -> None:
    assert len(agent_of(request(session_id="x" * 5000))) < 200
    assert agent_of(request(client=None)) == "connection"


def call(host: Host, method: str, door: Any, path: str = "/v1/responses") -> list[dict[str, Any]]:
    """What a door behind Activity sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()  # the client waits for its answer
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"session-id", b"a")], "client": None}
    asyncio.run(ActivityMiddleware(door, host)(scope, receive, send))
    return sent


def test_a_request_counts_as_long_as_it_runs() -> None:
    host = Host(Settings())
    seen: list[tuple[int, int, float | None]] = []

    async def door(scope: Any, receive: Any, send: Any) -> None:
        seen.append((host.activity.active_requests, host.activity.active_agents, host.activity.idle_since))

    call(host, "POST", door)

    assert seen == [(1, 1, None)]
    assert (host.activity.active_requests, host.activity.active_agents, host.activity.requests) == (0, 0, 1)
    assert host.activity.idle_since is not None


@pytest.mark.parametrize("path", ["/health", "/ready", "/status", "/metrics", "/shutdown", "/cancel"])
def test_looking_at_a_host_does_not_keep_it_alive(path: str) -> None:
    host = Host(Settings())

    async def door(scope: Any, receive: Any, send: Any) -> None:
        assert host.activity.active_requests == 0

    call(host, "GET", door, path)

    assert host.activity.requests == 0


def test_a_listener_hears_that_its_client_left_when_the_host_begins_to_end() -> None:
    host = Host(Settings())
    heard: list[str] = []

    async def door(scope: Any, receive: Any, send: Any) -> None:
        host.stopping.set()
        heard.append((await receive())["type"])

    call(host, "GET", door)

    assert heard == ["http.disconnect"]


def test_new_requests_are_refused_once_the_host_begins_to_end() -> None:
    host = Host(Settings())
    host.stopping.set()

    async def door(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nothing may begin now")

    start = call(host, "POST", door)[0]

    assert start["status"] == EngineClosedError.http_status
