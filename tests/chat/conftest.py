from __future__ import annotations

from pathlib import Path

import pytest

from codex_windows_ai.engine.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer(default_model: Path) -> Tokenizer:
    return Tokenizer(default_model / "tokenizer.json")
