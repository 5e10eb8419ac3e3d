"""A host on a tiny model inside the test's process, and a live one in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.state import Host
from codex_windows_ai.settings import Settings
from tests.engine.tiny_model import make_tiny_model

OpenClient = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random model that answers nonsense fast."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny")).path


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
        app = create_app(host or Host(tiny_settings, token=TOKEN))
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        given = {"authorization": f"Bearer {TOKEN}"} if headers is None else headers
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=given) as client,
        ):
            yield client

    return open_
