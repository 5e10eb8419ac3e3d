"""A host on a tiny model inside the test's process, and a live one in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from codex_windows_ai.codex.client_profile import codex_profile
from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.host import Host
from codex_windows_ai.settings import Settings
from tests.engine.tiny_model import make_tiny_model
from tests.host.live import PATIENCE, LiveHost

OpenClient = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random model that answers nonsense fast."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny")).path


@pytest.fixture(scope="session")
def live_host(tiny_model_path: Path) -> Iterator[LiveHost]:
    """A host on a port, shared by all tests that leave it at rest; its model is loaded."""
    with LiveHost(Settings(model=str(tiny_model_path), threads=1), TOKEN) as live:
        httpx2.get(f"{live.url}/v1/models", headers={"authorization": f"Bearer {TOKEN}"}).raise_for_status()
        yield live


@pytest.fixture
def openai_client(live_host: LiveHost) -> Iterator[OpenAI]:
    """The real OpenAI client on `live_host`; it never tries again by itself."""
    with OpenAI(base_url=f"{live_host.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def tiny_settings(tiny_model_path: Path) -> Settings:
    return Settings(model=str(tiny_model_path), threads=1)


@pytest.fixture
def open_client(tiny_settings: Settings) -> OpenClient:
    """Opens a client to a host inside this process: `async with open_client() as client: ...`.

    By default the tiny model answers and the client has the token; pass `host` or `headers` for others.
    """

    @asynccontextmanager
    async def open_(
        host: Host | None = None, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[httpx2.AsyncClient]:
        app = create_app(host or Host(tiny_settings, token=TOKEN), profiles=(codex_profile(tiny_settings),))
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        given = {"authorization": f"Bearer {TOKEN}"} if headers is None else headers
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=given) as client,
        ):
            yield client

    return open_
