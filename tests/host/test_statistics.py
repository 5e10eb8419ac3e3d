"""GET /statistics: the agents, the engine, the devices."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from codex_windows_ai.host.host import Host
from codex_windows_ai.host.statistics import RecentOccupancy
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.serving.agents import RATE_SECONDS
from codex_windows_ai.settings import Settings
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN, OpenClient
from tests.mcp.conftest import connect_to, held_engine

OWN = {"authorization": f"Bearer {TOKEN}"}
HELLO: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hello " * 12}], "max_tokens": 8}


@pytest.fixture
def fresh_host(tiny_settings: Settings) -> Iterator[LiveHost]:
    """A host whose figures begin at nothing."""
    with LiveHost(tiny_settings, TOKEN) as live:
        httpx2.get(f"{live.url}/v1/models", headers=OWN, timeout=PATIENCE).raise_for_status()
        yield live


def statistics(live: LiveHost) -> dict[str, Any]:
    return httpx2.get(f"{live.url}/statistics", headers=OWN, timeout=PATIENCE).raise_for_status().json()


def chat(live: LiveHost, agent: str, **fields: Any) -> None:
    headers = OWN | {"session-id": agent}
    body = HELLO | fields
    httpx2.post(f"{live.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE).raise_for_status()


def agents(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {agent["name"]: agent for agent in figures["agents"]}


def test_answers_over_http_and_mcp_are_their_agents(fresh_host: LiveHost) -> None:
    async def generate() -> None:
        async with connect_to(fresh_host.url, TOKEN, "legacy") as client:
            result = await client.call_tool(
                "generate", {"prompt": "hello", "max_output_tokens": 6}, meta={"threadId": "mcp-agent"}
            )
            assert not result.is_error

    chat(fresh_host, "chat-agent")
    body = {"model": "tiny", "input": "hello", "max_output_tokens": 4}
    headers = OWN | {"session-id": "codex-agent"}
    httpx2.post(f"{fresh_host.url}/v1/responses", json=body, headers=headers, timeout=PATIENCE).raise_for_status()
    asyncio.run(generate())
    found = agents(statistics(fresh_host))

    outputs = {name: agent["tokens"]["output"] for name, agent in found.items()}
    assert outputs == {"chat-agent": 8, "codex-agent": 4, "mcp-agent": 6}
    assert [agent["requests"]["finished"] for agent in found.values()] == [1, 1, 1]
    assert list(found) == ["mcp-agent", "codex-agent", "chat-agent"]  # the most recent first


def test_the_sum_over_the_agents_is_what_the_engine_counted(fresh_host: LiveHost) -> None:
    for agent in ("a", "b", "a"):
        chat(fresh_host, agent)
    figures = statistics(fresh_host)
    engine, found = figures["engine"], agents(figures)

    assert sum(agent["tokens"]["input"] for agent in found.values()) == engine["tokens"]["input"]
    assert sum(agent["tokens"]["cached"] for agent in found.values()) == engine["tokens"]["cached"] > 0
    assert engine["requests"] == {"waiting": 0, "running": 0, "finished": 3, "failed": 0, "cancelled": 0}
    assert found["a"]["requests"]["finished"] == 2
    assert 0 < found["a"]["tokens"]["cached_share"] < 1
    assert engine["prefix_cache"]["bytes"] == fresh_host.engine.statistics().cache_bytes > 0


def test_what_waits_and_what_runs_is_told_agent_by_agent(fresh_host: LiveHost) -> None:
    threads = [threading.Thread(target=chat, args=(fresh_host, agent)) for agent in ("a", "a", "b")]
    with held_engine(fresh_host):
        for thread in threads:
            thread.start()
        held: dict[str, dict[str, Any]] = {}
        while sum(agent["requests"]["waiting"] for agent in held.values()) < len(threads):
            held = agents(statistics(fresh_host))
    for thread in threads:
        thread.join(PATIENCE)
    after = agents(statistics(fresh_host))

    assert {name: agent["requests"]["waiting"] for name, agent in held.items()} == {"a": 2, "b": 1}
    assert {agent["requests"]["running"] for agent in held.values()} == {0}
    assert {agent["idle_seconds"] for agent in held.values()} == {0}
    assert {name: agent["requests"]["finished"] for name, agent in after.items()} == {"a": 2, "b": 1}


def test_a_client_that_leaves_counts_as_cancelled(fresh_host: LiveHost) -> None:
    headers = OWN | {"session-id": "leaver"}
    request = ("POST", f"{fresh_host.url}/v1/chat/completions")
    with held_engine(fresh_host):
        with httpx2.stream(*request, json=HELLO | {"stream": True}, headers=headers, timeout=PATIENCE) as answer:
            lines = answer.iter_lines()
            next(lines)  # it was accepted
            assert agents(statistics(fresh_host))["leaver"]["requests"]["waiting"] == 1
        requests = {"waiting": 1}
        while requests["waiting"]:
            requests = agents(statistics(fresh_host))["leaver"]["requests"]

    assert (requests["cancelled"], requests["finished"]) == (1, 0)


def test_who_answers_and_the_devices_are_named(fresh_host: LiveHost) -> None:
    figures = statistics(fresh_host)

    assert (figures["state"], figures["models"]) == ("ready", ["tiny"])
    assert figures["answers"]["provider"] == "engine"
    assert {refused["provider"] for refused in figures["answers"]["refused"]} >= {"engine:gpu", "engine:npu"}
    assert all(refused["reason"] for refused in figures["answers"]["refused"])
    assert figures["devices"]["cpu"]["logical_cores"] > 0
    assert 0 < figures["host_memory_bytes"] < figures["devices"]["memory"]["total_bytes"]


def test_nothing_of_a_prompt_or_an_answer_is_in_it(fresh_host: LiveHost) -> None:
    chat(fresh_host, "a", messages=[{"role": "user", "content": "zebra-secret"}])

    assert "zebra" not in json.dumps(statistics(fresh_host))


def test_looking_is_no_activity(fresh_host: LiveHost) -> None:
    while fresh_host.host.activity.idle_since is None:  # a request is over a moment after its client has the answer
        statistics(fresh_host)
    before = (fresh_host.host.activity.requests, fresh_host.host.activity.idle_since)
    for path in ("/statistics", "/", "/page/page.css", "/page/page.js"):
        httpx2.get(f"{fresh_host.url}{path}", headers=OWN, timeout=PATIENCE).raise_for_status()
    httpx2.post(f"{fresh_host.url}/view/codes", headers=OWN, timeout=PATIENCE).raise_for_status()

    assert (fresh_host.host.activity.requests, fresh_host.host.activity.idle_since) == before


def test_a_model_that_could_not_be_loaded_is_told_with_the_reason(open_client: OpenClient) -> None:
    async def look() -> dict[str, Any]:
        host = Host(Settings(model="absent"), token=TOKEN)
        async with open_client(host) as client:
            await asyncio.wait({host.models.start()})
            return (await client.get("/statistics")).json()

    figures = asyncio.run(look())
    assert (figures["state"], figures["error"]["code"]) == ("failed", "model_not_found")
    assert (figures["answers"], figures["engine"], figures["agents"]) == (None, None, [])


def test_recent_occupancy_is_of_the_passes_since_somebody_looked() -> None:
    now = 0.0
    occupancy = RecentOccupancy(lambda: now)
    figures = replace(zero(), decode_passes=100, decode_rows=100)
    assert occupancy.note(figures) is None
    now = 2.0
    assert occupancy.note(replace(figures, decode_passes=110, decode_rows=140)) == 4
    now = RATE_SECONDS + 1.0  # the first look is too long ago, the second is not
    assert occupancy.note(replace(figures, decode_passes=120, decode_rows=160)) == 2
    now += RATE_SECONDS + 1.0
    assert occupancy.note(replace(figures, decode_passes=500, decode_rows=900)) is None


def test_however_often_somebody_looks_few_looks_are_kept() -> None:
    now = 0.0
    occupancy = RecentOccupancy(lambda: now)
    for _ in range(10_000):
        now += 0.01
        occupancy.note(zero())

    assert occupancy.looks <= RATE_SECONDS + 1


def zero() -> EngineStatistics:
    return EngineStatistics(**dict.fromkeys(EngineStatistics.__slots__, 0))
