from pathlib import Path

import pytest

from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import DEFAULT_MODEL


@pytest.fixture(scope="session")
def default_model() -> Path:
    """Folder of the default model in the user's own cache; fetched and converted by whoever runs first."""
    return ModelStore().resolve(DEFAULT_MODEL).path
