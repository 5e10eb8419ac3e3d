"""One host for all tests of the folder; the script of its model starts anew with each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.codex_cli.live import CodexHost
from tests.codex_cli.program import Workplace, workplace
from tests.engine.tiny_model import make_tiny_model

# Tokens are bytes: what is 1,300 tokens for a real tokenizer is 6,000 here.
WINDOW = 32_768


@pytest.fixture(scope="session")
def shared_codex_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodexHost]:
    """A host on a random model with a window that Codex's requests fit."""
    folder = tmp_path_factory.mktemp("codex")
    model = make_tiny_model(folder, context=WINDOW)
    with CodexHost(model.path, folder / "home") as host:
        yield host


@pytest.fixture
def place(shared_codex_host: CodexHost, tmp_path: Path) -> Workplace:
    """A fresh place to run Codex in, and a script that says "Done."."""
    shared_codex_host.begin()
    return workplace(shared_codex_host.home, tmp_path, shared_codex_host)
