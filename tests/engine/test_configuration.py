"""The configuration is plain data: it reaches another process as it was."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict

import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration

configurations = pytest.mark.parametrize(
    "configuration", [EngineConfiguration(), EngineConfiguration(threads=3, row_bytes=1, prefill_seconds=0.5)]
)


@configurations
def test_it_is_pickled_and_read_again(configuration: EngineConfiguration) -> None:
    assert pickle.loads(pickle.dumps(configuration)) == configuration


@configurations
def test_it_is_written_as_json_and_read_again(configuration: EngineConfiguration) -> None:
    assert EngineConfiguration(**json.loads(json.dumps(asdict(configuration)))) == configuration
