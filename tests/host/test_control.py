"""Health, readiness and status of a host."""

from __future__ import annotations

import asyncio

from codex_windows_ai.discovery.proof import prove
from codex_windows_ai.host.host import Host
from codex_windows_ai.settings import Settings
from tests.hosting import TOKEN, OpenClient


def test_it_is_healthy_at_once_and_ready_when_the_model_is_loaded(
    open_client: OpenClient, tiny_settings: Settings
) -> None:
    async def look() -> None:
        host = Host(tiny_settings, token=TOKEN)
        async with open_client(host) as client:
            first = await client.get("/ready")
            assert (await client.get("/health")).json() == {"status": "ok"}
            assert first.status_code == 503
            told = first.json()
            assert (told.pop("state"), told.pop("models")) == ("loading", [])
            # The thread that loads may have come further than its start.
            assert told in ({"stage": "starting", "done": 0, "total": 0}, {"stage": "loading", "done": 0, "total": 1})
            await host.models.runtime()
            assert (await client.get("/ready")).json() == {"state": "ready", "models": ["tiny"]}

    asyncio.run(look())


def test_a_model_that_cannot_be_loaded_is_in_its_status_and_tried_again_by_the_next_request(
    open_client: OpenClient,
) -> None:
    async def look() -> None:
        host = Host(Settings(model="absent"), token=TOKEN)
        async with open_client(host) as client:
            for _ in range(2):
                try:
                    await host.models.runtime()
                except Exception as error:
                    first = error
            answer = await client.get("/ready")
            assert answer.status_code == 503
            assert answer.json()["state"] == "failed"
            assert answer.json()["error"]["code"] == "model_not_found"
            assert host.models.failure() is first

    asyncio.run(look())


def test_the_status_has_the_figures(open_client: OpenClient, tiny_settings: Settings) -> None:
    async def look() -> None:
        host = Host(tiny_settings, token=TOKEN)
        async with open_client(host) as client:
            await host.models.runtime()
            status = (await client.get("/status")).json()
            assert (status["state"], status["models"], status["active_requests"]) == ("ready", ["tiny"], 0)
            assert status["queue"]["waiting"] == 0
            memory = status["memory"]
            parts = [size for name, size in memory.items() if name not in ("bytes", "budget_bytes")]
            assert len(parts) == 5
            assert memory["bytes"] == sum(parts) <= memory["budget_bytes"]

    asyncio.run(look())


def test_who_asks_for_the_status_has_the_host_look_for_the_driver_first(open_client: OpenClient) -> None:
    async def look() -> None:
        host = Host(Settings(model="absent"), token=TOKEN)

        async def register() -> None:
            host.tell_channels(open=True, detail="Found.")

        host.expect_driver(register)
        async with open_client(host) as client:
            assert (await client.get("/status")).json()["channels"] == {"open": True, "detail": "Found."}

    asyncio.run(look())


def test_a_challenge_is_answered_with_a_proof_of_the_token(open_client: OpenClient) -> None:
    async def look() -> None:
        async with open_client(headers={}) as client:
            answer = (await client.get("/health", params={"challenge": "abc"})).json()
            assert answer["proof"] == prove(TOKEN, "abc")
            assert answer["proof"] != prove("another", "abc")

    asyncio.run(look())


def test_who_is_known_by_his_machine_only_cancels_nobody_elses_answers(open_client: OpenClient) -> None:
    async def look() -> None:
        async with open_client() as client:
            refused = await client.post("/cancel")
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
            assert "session-id" in refused.json()["error"]["hint"]
            named = await client.post("/cancel", headers={"session-id": "mine"})
            assert named.json() == {"cancelled": 0}

    asyncio.run(look())
