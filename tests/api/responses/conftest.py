"""The default model behind a socket, and the real OpenAI client on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from codex_windows_ai.settings import Settings
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN


@pytest.fixture(scope="session")
def default_host(default_model: Path) -> Iterator[LiveHost]:
    """A host with the default model on a port, shared by all tests that leave it at rest."""
    with LiveHost(Settings(model=str(default_model)), TOKEN) as live:
        yield live


@pytest.fixture
def client(default_host: LiveHost) -> Iterator[OpenAI]:
    """The real OpenAI client on the default model; it never tries again by itself."""
    with OpenAI(base_url=f"{default_host.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="session")
def model(default_model: Path) -> str:
    """The name that clients ask for."""
    return default_model.name
