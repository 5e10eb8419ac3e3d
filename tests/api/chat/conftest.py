from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from codex_windows_ai.settings import Settings
from tests.engine.tiny_model import make_tiny_model
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

ROOMY = 4096


@pytest.fixture(scope="session")
def roomy_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    """A host on a tiny model whose window has room for the descriptions of tools."""
    folder = make_tiny_model(tmp_path_factory.mktemp("roomy"), context=ROOMY)
    with LiveHost(Settings(model=str(folder.path), threads=1), TOKEN) as live:
        yield live


@pytest.fixture
def roomy_client(roomy_host: LiveHost) -> Iterator[OpenAI]:
    """The real OpenAI client on `roomy_host`."""
    with OpenAI(base_url=f"{roomy_host.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client
