"""Which of a model's graphs the engine loads."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.models.folder import ModelFolder


def test_a_processor_runs_the_graph_for_processors(tiny_model: ModelFolder) -> None:
    core = EngineCore(tiny_model)
    assert core.model.file == tiny_model.path / "model.cpu.onnx"
    assert core.model.shares_prefixes


def test_a_folder_without_a_graph_for_processors_runs_the_portable_one(tiny_model: ModelFolder) -> None:
    core = EngineCore(replace(tiny_model, cpu_model_file=tiny_model.model_file))
    assert core.model.file == tiny_model.path / "model.onnx"
    assert not core.model.shares_prefixes


def test_a_device_runs_the_portable_graph(tiny_model: ModelFolder) -> None:
    configuration = EngineConfiguration(configure_session=lambda options: None)
    assert EngineCore(tiny_model, configuration).model.file == tiny_model.path / "model.onnx"
