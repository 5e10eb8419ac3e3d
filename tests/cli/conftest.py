"""A home folder whose settings name the real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def answering_home(default_model: Path, tmp_path: Path) -> Path:
    """A home folder of the test's own in which the shared default model answers."""
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    settings = f"model = {json.dumps(str(default_model))}\n"
    (home / "config" / "settings.toml").write_text(settings, encoding="utf-8")
    return home
