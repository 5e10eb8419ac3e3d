from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from tests.engine.tiny_model import make_tiny_model

StartEngine = Callable[..., Engine]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tokenizer(default_model: Path) -> Tokenizer:
    return Tokenizer(default_model / "tokenizer.json")


@pytest.fixture(scope="session")
def engine(default_model: Path) -> Iterator[Engine]:
    """The default model, shared by all tests that leave it at rest."""
    with Engine(read_model_folder(default_model)) as engine:
        yield engine


@pytest.fixture
def start_engine(tiny_model: ModelFolder) -> Iterator[StartEngine]:
    """Starts engines of the test's own on the tiny model, and closes them."""
    engines: list[Engine] = []

    def start(**configuration: int) -> Engine:
        engines.append(Engine(tiny_model, EngineConfiguration(**{"threads": 1} | configuration)))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()
