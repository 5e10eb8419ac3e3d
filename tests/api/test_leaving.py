"""A client that leaves ends its request, at every endpoint and wherever the answer is."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx2
import pytest

from tests.engine.turnstile import Turnstile, assert_at_rest
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

HEADERS = {"authorization": f"Bearer {TOKEN}"}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hello"}]},
    "/v1/responses": {"input": "hello"},
    "/v1/completions": {"prompt": "hello"},
    "/v1/messages": {"messages": [{"role": "user", "content": "hello"}]},
}
"""By path a request that the tiny model does not finish within one pass."""


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_client_that_leaves_frees_its_place(
    live_host: LiveHost, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    engine = live_host.engine
    cancelled, cancel = threading.Event(), engine.core.cancel

    def note(sequence: Any) -> None:
        cancel(sequence)
        cancelled.set()

    monkeypatch.setattr(engine.core, "cancel", note)
    turnstile = Turnstile(engine, monkeypatch)
    before = engine.statistics().cancelled
    asking = threading.Thread(target=ask_and_leave, args=(live_host, turnstile, path, stream))
    asking.start()
    asking.join(PATIENCE)
    turnstile.let_through(10**6)
    assert cancelled.wait(PATIENCE)

    assert_at_rest(engine)
    assert engine.statistics().cancelled == before + 1
    metrics = httpx2.get(f"{live_host.url}/metrics", headers=HEADERS, timeout=PATIENCE)
    assert "cancelled" in metrics.text


def ask_and_leave(live: LiveHost, turnstile: Turnstile, path: str, stream: bool) -> None:
    """Leaves once the engine is at work."""

    async def ask() -> None:
        body = {"model": "tiny", "stream": stream, **ENDPOINTS[path]}
        async with httpx2.AsyncClient(base_url=live.url, headers=HEADERS, timeout=PATIENCE) as client:
            answer = asyncio.create_task(client.post(path, json=body))
            await asyncio.to_thread(turnstile.wait_for_arrival)
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)

    asyncio.run(ask())
