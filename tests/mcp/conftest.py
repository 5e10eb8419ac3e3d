"""A live host on a tiny model, and the SDK's own client in both protocol generations."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

Connect = Callable[[], AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def connect_to(url: str, token: str, mode: str) -> AsyncGenerator[Client]:
    """The SDK's client over HTTP; `mode` is its word for the protocol generation."""
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture(params=["legacy", "auto"], ids=["2025-11-25", "2026-07-28"])
def connect(request: pytest.FixtureRequest, live_host: LiveHost) -> Connect:
    """Opens a client of each protocol generation to the live host."""
    return lambda: connect_to(live_host.url, TOKEN, request.param)


@pytest.fixture
def http(live_host: LiveHost) -> Iterator[httpx2.Client]:
    """Plain HTTP to the live host."""
    with httpx2.Client(base_url=live_host.url, timeout=PATIENCE) as client:
        yield client


@contextmanager
def held_engine(host: LiveHost) -> Generator[Callable[[], int]]:
    """Stops the engine's thread while the block runs, so that whatever is submitted stays in its queue.

    Gives a function that counts what waits for the thread.
    """
    engine = host.engine
    reached, released = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        released.wait(PATIENCE)

    engine.post(hold)
    assert reached.wait(PATIENCE)
    try:
        yield lambda: engine.posted
    finally:
        released.set()


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for something that happens in another thread or process and tells nobody."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
