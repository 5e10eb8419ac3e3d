"""The real Anthropic client on a host with a tiny model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anthropic import Anthropic

from codex_windows_ai.settings import Settings
from tests.engine.tiny_model import make_tiny_model
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

WINDOW = 4096


@pytest.fixture(scope="session")
def roomy_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    """A host on a tiny model whose window has room for the descriptions of tools."""
    folder = make_tiny_model(tmp_path_factory.mktemp("roomy"), context=WINDOW)
    with LiveHost(Settings(model=str(folder.path), threads=1), TOKEN) as live:
        yield live


@pytest.fixture
def client(roomy_host: LiveHost) -> Iterator[Anthropic]:
    """The client with the host's token as its key, which goes as `x-api-key`; it never tries again by itself."""
    with Anthropic(base_url=roomy_host.url, api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client
